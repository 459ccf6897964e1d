"""Model ids taken apart: what an id names, where it runs, and whose model answers.

An id is a base model (`anthropic.claude-3-haiku-20240307-v1:0`), an inference profile of a geography
(`us.anthropic.claude-…`, `global.amazon.nova-…`) or an ARN. Some ARNs carry the id of a model, others only a name that
the account's owner or the service made up: those hide whose model answers. Sources: the pattern and documentation of
`modelId` in the service model of Bedrock Runtime, and the ARN patterns in that of Bedrock.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

__all__ = ["GEOGRAPHIES", "MAKERS", "ModelId", "ModelKind", "is_arn", "parse_model"]

GEOGRAPHIES: Final = frozenset({"amer", "apac", "au", "ca", "eu", "global", "in", "jp", "sa", "us", "us-gov"})
"""What stands before the maker in the id of an inference profile that the service defines."""

MAKERS: Final = frozenset(
    {
        *{"ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral"},
        *{"moonshot", "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "xai", "zai"},
    }
)
"""Makers of models, as ids spell them. Other makers are read too, unless their geography is not known either."""

ModelKind: TypeAlias = Literal[
    "foundation-model",
    "inference-profile",
    "application-inference-profile",
    "custom-model",
    "custom-model-deployment",
    "imported-model",
    "provisioned-model",
    "prompt",
    "prompt-router",
    "sagemaker-endpoint",
    "marketplace",
    "unknown",
]
"""What an id names. `"unknown"`: nothing the service documents, such as an alias that a gateway understands."""

# Service and first word of an ARN's resource → what the ARN names.
_KINDS: Final[dict[tuple[str, str], ModelKind]] = {
    ("bedrock", "foundation-model"): "foundation-model",
    ("bedrock", "inference-profile"): "inference-profile",
    ("bedrock", "application-inference-profile"): "application-inference-profile",
    ("bedrock", "custom-model"): "custom-model",
    ("bedrock", "custom-model-deployment"): "custom-model-deployment",
    ("bedrock", "imported-model"): "imported-model",
    ("bedrock", "provisioned-model"): "provisioned-model",
    ("bedrock", "prompt"): "prompt",
    ("bedrock", "prompt-router"): "prompt-router",
    ("bedrock", "default-prompt-router"): "prompt-router",
    ("bedrock", "marketplace"): "marketplace",
    ("sagemaker", "endpoint"): "sagemaker-endpoint",
    ("sagemaker", "hub-content"): "marketplace",
}
# Resources whose name begins with the id of a model.
_TELLING: Final = frozenset({"custom-model", "default-prompt-router", "foundation-model", "inference-profile"})

# `-v1` ends a name; a bare number does so only before a colon (`gpt-oss-120b-1:0`, but `claude-sonnet-5`).
_VERSIONED: Final = re.compile(r"(?P<name>.+)-(?P<version>v\d+)")
_NUMBERED: Final = re.compile(r"(?P<name>.+)-(?P<version>v?\d+)")
_DATED: Final = re.compile(r"(?P<name>.+)-(?P<date>20\d{6})")
_FIRST_WORD: Final = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelId:
    """A model id, taken apart. What the id does not say is None.

    Attributes:
        text: The id as it was given.
        kind: What it names.
        model: The id of the base model, without geography and ARN.
        geography: Where the inference profile may run, such as `"us"`, `"apac"` or `"global"`.
        maker: Who made the model, such as `"anthropic"`.
        family: The line of models it belongs to, such as `"claude"`, `"nova"` or `"llama"`; the maker where the name
            begins with a number of its own (`deepseek.r1`).
        name: The model's name without maker, date and version, such as `"claude-3-haiku"`.
        date: The day in its name, as eight digits.
        version: The version behind the name, such as `"v1"`; of a prompt or a prompt router, its version.
        revision: The number behind the version, `"0"` in `…-v1:0`.
        variant: What stands last, such as `"28k"` in `…-v1:0:28k`: the context of a model with provisioned throughput.
        partition: The partition in the ARN, such as `"aws"` or `"aws-us-gov"`.
        region: The region in the ARN.
        account: The account in the ARN; base models belong to none.
    """

    text: str
    kind: ModelKind
    model: str | None = None
    geography: str | None = None
    maker: str | None = None
    family: str | None = None
    name: str | None = None
    date: str | None = None
    version: str | None = None
    revision: str | None = None
    variant: str | None = None
    partition: str | None = None
    region: str | None = None
    account: str | None = None

    @property
    def hidden(self) -> bool:
        """Whether the id does not say which model answers. Of some ARNs the service tells (GetInferenceProfile …)."""
        return self.model is None


def is_arn(model_id: str) -> bool:
    """Whether an id is an ARN."""
    return model_id.startswith("arn:")


@lru_cache(maxsize=256)
def parse_model(model_id: str) -> ModelId:
    """Take a model id apart. Every text is an id of some kind: nothing is refused here.

    Percent-encoded ids (`…-v1%3A0`), as they stand in addresses, are read as what they stand for.
    """
    text = unquote(model_id)
    if is_arn(text):
        return _parse_arn(model_id, text)
    geography, model = _without_geography(text)
    parts = _parts(model)
    if not parts["maker"]:
        return ModelId(text=model_id, kind="unknown")
    kind: ModelKind = "inference-profile" if geography else "foundation-model"
    return ModelId(text=model_id, kind=kind, model=model, geography=geography, **parts)


def _parse_arn(model_id: str, arn: str) -> ModelId:
    """Take `arn:partition:service:region:account:resource` apart, the resource being `word/name` or `word/name/…`."""
    _, partition, service, region, account, resource = [*arn.split(":", 5), *[""] * 5][:6]
    word, _, rest = resource.partition("/")
    name = rest.partition("/")[0]
    kind = _KINDS.get((service, word), "unknown")
    geography: str | None = None
    model: str | None = None
    parts = _no_parts()
    if word in _TELLING and kind != "unknown" and "." in name:
        geography, model = _without_geography(name)
        parts = _parts(model)
    if kind in {"prompt", "prompt-router"}:
        parts |= {"version": name.partition(":")[2] or None, "revision": None}
    return ModelId(
        text=model_id,
        kind=kind,
        model=model,
        geography=geography,
        partition=partition or None,
        region=region or None,
        account=account or None,
        **parts,
    )


def _without_geography(text: str) -> tuple[str | None, str]:
    """Split `us.anthropic.claude-…`. A geography nobody has heard of is one if a known maker follows it."""
    first, _, rest = text.partition(".")
    maker, _, name = rest.partition(".")
    if maker and name and (first in GEOGRAPHIES or (first not in MAKERS and maker in MAKERS)):
        return first, rest
    return None, text


def _no_parts() -> dict[str, str | None]:
    return dict.fromkeys(("maker", "family", "name", "date", "version", "revision", "variant"))


def _parts(model: str) -> dict[str, str | None]:
    """What stands in `maker.name-date-version:revision:variant`, of which all but the first two may be missing."""
    parts = _no_parts()
    maker, _, rest = model.partition(".")
    if not maker or not rest or maker in GEOGRAPHIES:
        return parts
    name, *suffixes = rest.split(":")
    if suffixes and suffixes[0].isdecimal():
        parts["revision"] = suffixes.pop(0)
    parts["variant"] = ":".join(suffixes) or None
    found = (_NUMBERED if parts["revision"] else _VERSIONED).fullmatch(name)
    if found:
        name, parts["version"] = found["name"], found["version"]
    if found := _DATED.fullmatch(name):
        name, parts["date"] = found["name"], found["date"]
    line = _FIRST_WORD.match(name)
    return parts | {"maker": maker, "name": name, "family": line[0] if line else maker}
