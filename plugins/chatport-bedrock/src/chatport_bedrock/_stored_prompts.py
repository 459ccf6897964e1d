"""Requests to a stored prompt: pure.

The ARN of a prompt stands in the place of a model. Its resource says which model answers, how, with which system prompt
and tools; a request must not say these again (documentation of the operation `Converse`). It may be without messages.
"""

from typing import Any, Final

from chatport.backend import UnsupportedError
from chatport_bedrock._models import parse_model
from chatport_bedrock._scope import BACKEND, Scope

__all__ = ["fit_stored_prompt"]

# Without these another question would be answered than the one that was asked.
_ESSENTIAL: Final = {"system": "system", "toolConfig": "tools"}
_HOW_TO_ANSWER: Final = ("inferenceConfig", "additionalModelRequestFields")


def fit_stored_prompt(model: str, body: dict[str, Any], extra: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Return the body as it may go to a model, which for all but stored prompts is as it is.

    Args:
        model: The model id.
        body: The body of the request.
        extra: What the caller said in the service's words.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: A stored prompt is asked with a system prompt, tools, or members that it does not take.
    """
    if parse_model(model).kind != "prompt":
        return body
    for name in (*_ESSENTIAL, *_HOW_TO_ANSWER):
        place = f"settings.extra[{BACKEND!r}][{name!r}]" if name in extra else _ESSENTIAL.get(name)
        if body.get(name) and place is not None:
            raise UnsupportedError(f"{place}: a stored prompt has its own and takes none with the request")
    for name in _HOW_TO_ANSWER:
        if body.get(name):
            said = ", ".join(body[name])
            why = f"left out: a stored prompt says itself how to answer, and a request to it must not ({said})"
            scope.note("dropped", "setting-dropped", "settings", why)
    return {name: value for name, value in body.items() if name not in _HOW_TO_ANSWER}
