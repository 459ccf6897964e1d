"""The door for authors of backends that speak HTTP: a wire with limits on every wait, and what stands around it.

`HttpWire` needs the extra `http`: a distribution that sends with it depends on `chatport[http]`. Its library is loaded
when the first request is sent; the import loads none, and everything else here works where none is installed. Nothing
else of the core imports this door.

    wire = HttpWire(HttpOptions(max_connections=10), backend="example")
    body = await encode_json({"model": model, "image": DataUrl("image/png", data)})
    request = HttpRequest("POST", url, (("Authorization", f"Bearer {key}"),), body)
    async with await wire.send(request, timeouts, model=model) as response:
        reader = EventReader()
        while chunk := await response.read(has_begun=has_begun):
            for event in reader.feed(chunk):
                ...

A backend that sends with another library finds here what is the same above every one: `Slots`, how many requests may be
under way at once; `Patience`, how long each of them still waits and what is raised then; `ChunkReader`, for a
connection whose bytes it reads itself; `cut_json`, for a body that it sends piece by piece; `ErrorText`, for what a
service says of a failure; and `without_frames`, for exceptions that would show the headers of a request.
"""

from __future__ import annotations

from chatport._error_text import MAX_ERROR_BYTES, ErrorText, as_sentence, error_code
from chatport._http_chunks import ChunkReader
from chatport._http_failures import Exchange, TimedOutError, closed_failure, unreadable_failure, without_frames
from chatport._http_headers import retry_after
from chatport._http_options import HttpOptions, check_base_url, check_header_value
from chatport._http_patience import Patience
from chatport._http_request import HttpRequest
from chatport._http_slots import ConnectionsClosedError, Slots
from chatport._http_wire import HttpResponse, HttpWire
from chatport._json_body import Base64, BodyLeaves, DataUrl, cut_json, encode_json, plain_json
from chatport._server_sent_events import EventReader, ServerSentEvent, UnreadableEventError

__all__ = [
    "MAX_ERROR_BYTES",
    "Base64",
    "BodyLeaves",
    "ChunkReader",
    "ConnectionsClosedError",
    "DataUrl",
    "ErrorText",
    "EventReader",
    "Exchange",
    "HttpOptions",
    "HttpRequest",
    "HttpResponse",
    "HttpWire",
    "Patience",
    "ServerSentEvent",
    "Slots",
    "TimedOutError",
    "UnreadableEventError",
    "as_sentence",
    "check_base_url",
    "check_header_value",
    "closed_failure",
    "cut_json",
    "encode_json",
    "error_code",
    "plain_json",
    "retry_after",
    "unreadable_failure",
    "without_frames",
]
