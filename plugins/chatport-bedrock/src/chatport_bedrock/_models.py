"""Model ids: whose model an id names, and how it is reached.

An id is a base model (`anthropic.claude-3-haiku-20240307-v1:0`), an inference profile of a geography
(`us.anthropic.claude-…`, `global.amazon.nova-…`) or an ARN of either, of a custom or provisioned model, of a profile of
the caller's own or of a prompt. Source: the documentation of `modelId` in the service model of Bedrock Runtime.
"""

from typing import Final

__all__ = ["GEOGRAPHIES", "base_model", "is_arn", "model_family"]

GEOGRAPHIES: Final = frozenset({"amer", "apac", "au", "ca", "eu", "global", "jp", "sa", "us", "us-gov"})
"""What stands before the maker in the id of an inference profile that the service defines."""

# Only for the ids that begin with a geography which is not in the list above.
_MAKERS: Final = frozenset(
    {
        *{"ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral"},
        *{"moonshot", "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "zai"},
    }
)
# ARNs whose resource begins with the id of a model. Of the other kinds (application-inference-profile,
# provisioned-model, imported-model, prompt …) the resource is a name that the account's owner or the service made up.
_TELLING_RESOURCES: Final = frozenset(
    {"custom-model", "default-prompt-router", "foundation-model", "inference-profile"}
)


def is_arn(model_id: str) -> bool:
    """Whether an id is an ARN."""
    return model_id.startswith("arn:")


def base_model(model_id: str) -> str:
    """Return the id without geography and without the ARN around it; an ARN that names no model stays as it is."""
    named = _named_in_arn(model_id) if is_arn(model_id) else model_id
    if named is None:
        return model_id
    first, _, rest = named.partition(".")
    is_geography = first in GEOGRAPHIES or (first not in _MAKERS and rest.partition(".")[0] in _MAKERS)
    return rest if rest and is_geography else named


def model_family(model_id: str) -> str:
    """Return whose model it is, such as `"anthropic"`, `"amazon"`, `"meta"`, `"openai"` or `"deepseek"`.

    Signed reasoning goes back to the family that signed it, whichever of its models and geographies that was.

    Returns:
        The maker as it stands in the id. An id that hides it (the ARN of an application inference profile, of a
        provisioned model …) is returned as it is: what it answered goes back to that very id.
    """
    named = base_model(model_id)
    maker, _, model = named.partition(".")
    return maker if maker and model and not is_arn(named) else model_id


def _named_in_arn(arn: str) -> str | None:
    """The model id inside `arn:partition:bedrock:region:account:kind/id`, up to the next slash."""
    _, _, service, _, _, resource = [*arn.split(":", 5), *[""] * 5][:6]
    kind, _, name = resource.partition("/")
    named = name.partition("/")[0]
    return named if service == "bedrock" and kind in _TELLING_RESOURCES and "." in named else None
