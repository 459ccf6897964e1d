"""The control plane: which models and inference profiles there are. Pure: parameters in, the body of the answer out."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from chatport_bedrock.emulator._catalog_data import (
    ACCOUNT,
    APPLICATION_PROFILES,
    GEOGRAPHIES,
    MODELS,
    FoundationModel,
    Geography,
)
from chatport_bedrock.emulator._operations import CatalogOperation
from chatport_bedrock.emulator._refusal import HttpError, RefusedError, validation_error

_PAGE: Final = 100
_CREATED: Final = "2026-01-01T00:00:00Z"


def answer_catalog(
    operation: CatalogOperation, identifier: str, parameters: Mapping[str, Any], *, region: str
) -> dict[str, Any]:
    """The body of an answer of the control plane.

    Args:
        operation: What is asked.
        identifier: Which model or profile: the id in the address, or its ARN.
        parameters: The query, found right by the service's model.
        region: The region that is asked; it stands in ARNs, and decides which profiles there are.

    Raises:
        RefusedError: There is no such thing, or a token leads nowhere.
    """
    return _ANSWERS[operation](identifier, parameters, region)


def needs_profile(base_id: str) -> bool:
    """Whether a model can be asked through an inference profile only."""
    return any(model.id == base_id and not model.on_demand for model in MODELS)


def profile_model(identifier: str) -> str | None:
    """The model behind an inference profile of an account, by its id; None if there is no such profile."""
    found = APPLICATION_PROFILES.get(identifier)
    return found[1] if found else None


def _list_models(_identifier: str, parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    return {
        "modelSummaries": [_model_body(model, region) for model in MODELS if _is_wanted(model, parameters)],
    }


def _is_wanted(model: FoundationModel, parameters: Mapping[str, Any]) -> bool:
    tests: Mapping[str, Callable[[str], bool]] = {
        "byProvider": lambda wanted: wanted.lower() == model.provider.lower(),
        "byCustomizationType": lambda wanted: wanted in model.customizations,
        "byOutputModality": lambda wanted: wanted in model.output,
        "byInferenceType": lambda wanted: wanted in _inference_types(model),
    }
    return all(test(parameters[name]) for name, test in tests.items() if name in parameters)


def _get_model(identifier: str, _parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    wanted = identifier.rpartition("/")[2]
    for model in MODELS:
        if model.id == wanted:
            return {"modelDetails": _model_body(model, region)}
    raise _not_found(f"Could not resolve the foundation model from the provided model identifier: {identifier}")


def _list_profiles(_identifier: str, parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    wanted = parameters.get("type")
    found = [profile for profile in _profiles(region) if wanted in {None, profile["type"]}]
    start = _read_token(parameters["nextToken"], len(found)) if "nextToken" in parameters else 0
    end = start + int(parameters.get("maxResults", _PAGE))
    body: dict[str, Any] = {"inferenceProfileSummaries": found[start:end]}
    if end < len(found):
        body["nextToken"] = _write_token(end)
    return body


def _get_profile(identifier: str, _parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    for profile in _profiles(region):
        if identifier in {profile["inferenceProfileId"], profile["inferenceProfileArn"]}:
            return profile
    raise _not_found(f"The inference profile {identifier} was not found in {region}.")


_ANSWERS: Final[Mapping[CatalogOperation, Callable[[str, Mapping[str, Any], str], dict[str, Any]]]] = {
    "ListFoundationModels": _list_models,
    "GetFoundationModel": _get_model,
    "ListInferenceProfiles": _list_profiles,
    "GetInferenceProfile": _get_profile,
}


def _model_body(model: FoundationModel, region: str) -> dict[str, Any]:
    lifecycle = {"status": "LEGACY" if model.legacy_since else "ACTIVE", "startOfLifeTime": _moment(model.started)}
    if model.legacy_since:
        lifecycle["legacyTime"] = _moment(model.legacy_since)
    return {
        "customizationsSupported": list(model.customizations),
        "inferenceTypesSupported": _inference_types(model),
        "inputModalities": list(model.input),
        "modelArn": _model_arn(model.id, region),
        "modelId": model.id,
        "modelLifecycle": lifecycle,
        "modelName": model.name,
        "outputModalities": list(model.output),
        "providerName": model.provider,
        "responseStreamingSupported": model.streaming,
    }


def _inference_types(model: FoundationModel) -> list[str]:
    """How it can be asked; the service says `INFERENCE_PROFILE` too, which its own model does not have."""
    own = ["ON_DEMAND"] if model.on_demand else ["INFERENCE_PROFILE"]
    return [*own, *(["PROVISIONED"] if model.provisioned else [])]


def _profiles(region: str) -> Iterator[dict[str, Any]]:
    """The profiles that a region has: those of its geographies, then those of the account."""
    for geography in GEOGRAPHIES:
        if region.startswith(geography.home):
            yield from _geographic_profiles(geography, region)
    for identifier, (name, model) in APPLICATION_PROFILES.items():
        yield {
            **_profile_body(name, f"application-inference-profile/{identifier}", region, "APPLICATION"),
            "models": [{"modelArn": _model_arn(model, region)}],
        }


def _geographic_profiles(geography: Geography, region: str) -> Iterator[dict[str, Any]]:
    for model in MODELS:
        if geography.prefix not in model.profiles:
            continue
        name = f"{geography.prefix.upper()} {model.name.replace('.', '-').replace('+', ' Plus')}"
        body = _profile_body(name, f"inference-profile/{geography.prefix}.{model.id}", region, "SYSTEM_DEFINED")
        places = " and ".join(geography.regions)
        yield {
            **body,
            "description": f"Routes requests for {model.name.replace('+', ' Plus')} to {places}.",
            "models": _model_arns(model.id, geography.regions),
        }


def _model_arns(identifier: str, regions: Iterable[str]) -> list[dict[str, str]]:
    return [{"modelArn": _model_arn(identifier, region)} for region in regions]


def _profile_body(name: str, resource: str, region: str, kind: str) -> dict[str, Any]:
    return {
        "createdAt": _CREATED,
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{ACCOUNT}:{resource}",
        "inferenceProfileId": resource.partition("/")[2],
        "inferenceProfileName": name,
        "status": "ACTIVE",
        "type": kind,
        "updatedAt": _CREATED,
    }


def _model_arn(identifier: str, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{identifier}"


def _moment(date: str) -> str:
    return f"{date}T00:00:00Z"


def _write_token(position: int) -> str:
    return base64.urlsafe_b64encode(f"from {position}".encode()).decode()


def _read_token(token: str, count: int) -> int:
    """Where a token leads; only tokens that this catalog has given lead anywhere."""
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(" ")
    except (binascii.Error, ValueError):
        word, number = "", ""
    position = int(number) if word == "from" and number.isdecimal() else 0
    if not 0 < position < count:
        raise RefusedError(validation_error("The provided nextToken is not valid."))
    return position


def _not_found(message: str) -> RefusedError:
    return RefusedError(HttpError(404, "ResourceNotFoundException", message))
