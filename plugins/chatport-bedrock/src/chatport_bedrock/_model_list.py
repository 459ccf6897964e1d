"""The lists of the control plane as models in neutral words. Pure: JSON in, values out.

Members are those of `ListFoundationModels`, `ListInferenceProfiles` and `GetInferenceProfile` in the service model of
Bedrock.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from chatport.backend import ModelInfo, ProtocolError
from chatport.backend.translation import is_array, is_object
from chatport_bedrock._models import base_model

__all__ = ["merge_models", "read_count", "read_page", "read_profile_model"]

_BACKEND: Final = "bedrock"


def read_page(content: bytes, member: str) -> tuple[list[Mapping[str, Any]], str | None]:
    """Return the entries of one page, and the token of the next one.

    Args:
        content: The body of the answer.
        member: Where the entries stand.

    Raises:
        ProtocolError: It is no such list.
    """
    body = _object(content)
    entries, token = body.get(member), body.get("nextToken")
    if not is_array(entries) or not isinstance(token, str | None):
        raise _unreadable(f"a list {member}")
    if not all(is_object(entry) for entry in entries):
        raise _unreadable(f"objects in the list {member}")
    return list(entries), token or None


def read_count(content: bytes, *, model: str) -> int:
    """Return the number of tokens in the answer of CountTokens.

    Raises:
        ProtocolError: There is none.
    """
    count = _object(content).get("inputTokens")
    if type(count) is not int or count < 0:
        raise _unreadable("a number inputTokens", model=model)
    return count


def read_profile_model(content: bytes, *, model: str) -> str:
    """Return the id of the base model in the answer of GetInferenceProfile.

    Args:
        content: The body of the answer.
        model: The ARN of the profile, for the error.

    Raises:
        ProtocolError: There is none.
    """
    found = next(_models_of(_object(content)), None)
    if found is None:
        raise _unreadable("a model in the list models", model=model)
    return found


def merge_models(models: Sequence[Mapping[str, Any]], profiles: Sequence[Mapping[str, Any]]) -> tuple[ModelInfo, ...]:
    """Return what can be asked by its id: base models, then inference profiles, each with what its model can.

    A base model that only answers through a profile, or only where capacity was bought for it, is left out: its id is
    refused.

    Args:
        models: The entries of ListFoundationModels.
        profiles: Those of ListInferenceProfiles.

    Raises:
        ProtocolError: An entry has no id.
    """
    known = {_text(entry, "modelId"): entry for entry in models}
    found = {key: _model(key, entry) for key, entry in known.items() if _is_askable(entry)}
    for entry in profiles:
        info = _profile(entry, known)
        found.setdefault(info.id, info)
    return tuple(found.values())


def _model(identifier: str, entry: Mapping[str, Any]) -> ModelInfo:
    streaming = entry.get("responseStreamingSupported")
    return ModelInfo(
        id=identifier,
        name=_text(entry, "modelName", identifier),
        provider=_text(entry, "providerName", "") or None,
        input=_words(entry, "inputModalities"),
        output=_words(entry, "outputModalities"),
        streaming=streaming if isinstance(streaming, bool) else None,
        status=_status(entry.get("modelLifecycle")),
        metadata={_BACKEND: dict(entry)},
    )


def _profile(entry: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> ModelInfo:
    """The profile with what its model can. Profiles of an account are asked by their ARN, others by their id."""
    is_own = entry.get("type") == "APPLICATION"
    identifier = _text(entry, "inferenceProfileArn" if is_own else "inferenceProfileId")
    base = next((model for model in _models_of(entry) if model in known), None)
    about = _model(base, known[base]) if base is not None else ModelInfo(id=identifier, name=identifier)
    return ModelInfo(
        id=identifier,
        name=_text(entry, "inferenceProfileName", identifier),
        provider=about.provider,
        input=about.input,
        output=about.output,
        streaming=about.streaming,
        # A profile of a model of the past is active all the same; what counts is the model.
        status=about.status or _status(entry),
        metadata={_BACKEND: dict(entry)},
    )


def _models_of(profile: Mapping[str, Any]) -> Iterator[str]:
    """The base models behind a profile: the same in several regions, as ARNs."""
    models = profile.get("models")
    for model in models if is_array(models) else ():
        if is_object(model) and isinstance(arn := model.get("modelArn"), str):
            yield base_model(arn)


def _is_askable(entry: Mapping[str, Any]) -> bool:
    ways = entry.get("inferenceTypesSupported")
    return not is_array(ways) or not ways or "ON_DEMAND" in ways


def _status(entry: object) -> str | None:
    status = entry.get("status") if is_object(entry) else None
    return status.lower() if isinstance(status, str) and status else None


def _words(entry: Mapping[str, Any], member: str) -> tuple[str, ...]:
    values = entry.get(member)
    return tuple(value.lower() for value in values if isinstance(value, str)) if is_array(values) else ()


def _text(entry: Mapping[str, Any], member: str, default: str | None = None) -> str:
    value = entry.get(member)
    if isinstance(value, str) and value:
        return value
    if default is None:
        raise _unreadable(f"a text {member} in each entry")
    return default


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = from_json(content)
    except ValueError as error:
        raise _unreadable("JSON") from error
    if not is_object(body):
        raise _unreadable("an object")
    return body


def _unreadable(expected: str, *, model: str | None = None) -> ProtocolError:
    message = f"the answer cannot be read: there should be {expected}"
    return ProtocolError(message, backend=_BACKEND, model=model, status=200, phase="request")
