"""Which inference profiles a region can ask for a model. Pure.

Sources: "Supported Regions and models for inference profiles" in the user guide of Amazon Bedrock, and what other
clients do by the beginning of a region's name.
"""

import re
from typing import Final

from chatport_bedrock._model_ids import parse_model

__all__ = ["profile_geographies", "profile_ids"]

# What a region is called → the geographies whose profiles it may list, the nearest first. The first match counts.
_GEOGRAPHIES: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = tuple(
    (re.compile(pattern), geographies)
    for pattern, geographies in (
        (r"(?:us|eu)-iso|cn-", ()),
        (r"us-gov-", ("us-gov",)),
        (r"us-", ("us", "global")),
        (r"eu-", ("eu", "global")),
        (r"ca-", ("ca", "us", "global")),
        (r"ap-northeast-[13]$", ("jp", "apac", "global")),
        (r"ap-southeast-[246]$", ("au", "apac", "global")),
        (r"ap-", ("apac", "global")),
        (r"", ("global",)),
    )
)
# Without a region every geography may be meant.
_EVERYWHERE: Final = ("us", "eu", "apac", "jp", "au", "global")


def profile_geographies(region: str | None) -> tuple[str, ...]:
    """Return the geographies whose inference profiles a region may list, the nearest first."""
    if region is None:
        return _EVERYWHERE
    return next(geographies for pattern, geographies in _GEOGRAPHIES if pattern.match(region))


def profile_ids(model_id: str, region: str | None) -> tuple[str, ...]:
    """Return the ids of the inference profiles that may stand for a model, the nearest first.

    Not every model has all of them; the service's list says which.

    Args:
        model_id: The id of a base model, or its ARN; of everything else there are none.
        region: The region that is asked; None where that is not known.
    """
    parsed = parse_model(model_id)
    if parsed.kind != "foundation-model" or parsed.model is None:
        return ()
    return tuple(f"{geography}.{parsed.model}" for geography in profile_geographies(parsed.region or region))
