"""What differs between the requests of Converse and ConverseStream: one member of the guardrail's. Pure."""

from dataclasses import replace
from typing import Final

from chatport.backend import Adjustment
from chatport.backend.translation import is_object
from chatport_bedrock._translate import Translation

__all__ = ["fit_operation"]

_GUARDRAIL: Final = "guardrailConfig"
_STREAM_MODE: Final = "streamProcessingMode"
# Nothing is lost: the mode says how a stream is checked while it goes out.
_OMITTED: Final = Adjustment(
    "lossless",
    "stream-mode-omitted",
    f'settings.extra["bedrock"]["{_GUARDRAIL}"]["{_STREAM_MODE}"]',
    "Converse does not take it: an answer that comes as a whole is checked as a whole before it is sent",
)


def fit_operation(translation: Translation, *, streams: bool) -> Translation:
    """Return a translation as its operation takes it.

    Args:
        translation: A translated request.
        streams: Whether it goes to ConverseStream.
    """
    guardrail = translation.body.get(_GUARDRAIL)
    if streams or not is_object(guardrail) or _STREAM_MODE not in guardrail:
        return translation
    kept = {name: value for name, value in guardrail.items() if name != _STREAM_MODE}
    body = {**translation.body, _GUARDRAIL: kept}
    return replace(translation, body=body, adjustments=(*translation.adjustments, _OMITTED))
