"""The service model of the installed botocore has no exception that the table of errors does not know.

When botocore learns a new one, a test here fails and names it: decide its class. Until then its HTTP status decides,
and inside a stream it is a `ServiceError` that is not tried again.
"""

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from chatport.backend import BackendError
from chatport_bedrock._error_codes import CODES, code_key
from chatport_bedrock._errors import error_from_frame, error_from_response
from chatport_bedrock._frames import Frame

MODEL = "amazon.nova-2-lite-v1:0"
SERVICE: Any = botocore.session.Session().get_service_model("bedrock-runtime")
OPERATIONS = ("Converse", "ConverseStream")


def exceptions() -> Iterator[tuple[str, Any]]:
    """Every exception of both operations, over HTTP and inside a stream, with its shape."""
    for operation in OPERATIONS:
        yield from ((shape.name, shape) for shape in SERVICE.operation_model(operation).error_shapes)
    stream = SERVICE.shape_for("ConverseStreamOutput").members
    yield from ((name, shape) for name, shape in stream.items() if shape.metadata.get("exception"))


@pytest.mark.parametrize(("name", "shape"), dict(exceptions()).items(), ids=dict(exceptions()))
def test_every_exception_is_in_the_table(name: str, shape: Any) -> None:
    """Its class is decided, its status is the model's, and every member that it may have is shown."""
    kind, status = CODES[code_key(name)]
    assert status == shape.metadata["error"]["httpStatusCode"]
    values = {
        member: 418 if inner.type_name == "integer" else f"the {member}" for member, inner in shape.members.items()
    }
    payload = json.dumps(values).encode()
    headers: dict[str, Any] = {":message-type": "exception", ":exception-type": name}
    in_stream = error_from_frame(Frame(headers, payload), model=MODEL, request_id=None)
    over_http = error_from_response(status, {"x-amzn-errortype": name}, payload, model=MODEL)
    for error in (in_stream, over_http):
        assert isinstance(error, BackendError)
        assert (type(error), error.status, error.code) == (kind, status, name)
        assert [value for value in values.values() if str(value) not in error.message] == []


def test_every_exception_that_the_model_calls_retryable_is() -> None:
    """Where the service model says that an exception may be tried again, the error says so too."""
    for name, shape in exceptions():
        if shape.metadata.get("retryable") is not None:
            assert error_from_response(429, {"x-amzn-errortype": name}, b"{}", model=MODEL).retryable
