"""The options of the local backend, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chatport.backend import ConfigurationError, Timeouts

Projector: TypeAlias = str | Literal[False] | None
"""The path of a model's image projector; None looks beside the model, False has none."""


class LocalOptions(BaseModel):
    """How a model is run. What is not given has a default that a small machine can bear.

    Numbers have upper limits, as the engine ends the whole process where it cannot have so many threads.

    Attributes:
        context_size: How many tokens a conversation may have, answer included. Each slot reserves room for as many.
        slots: How many conversations are answered at the same time; who comes later waits.
        threads: How many threads compute; None takes one less than there are cores, and one at least.
        batch_size: How many tokens of a prompt are read in one go. A request that is given up ends behind the one that
            is being read, so that small numbers let go of it sooner; large ones read faster. A model that looks
            at an image as a whole, such as Gemma 3, needs at least as many as an image has tokens for it, often 256.
        gpu_layers: How many layers of the model to keep on a graphics card, where the engine has been built for one.
        mmproj: The projector that turns images into something the model can read, a GGUF file. None takes the one that
            lies beside the model, if there is exactly one; False takes none.
        bounded_schemas: Whether strings, lists and integers without a limit get one where the answer has to fit a
            schema. Small models go on without end where nothing ends them. A request that is strict gets none.
        timeouts: How long to wait; what a session or a turn says is laid over it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)

    context_size: int = Field(default=4096, ge=256, le=2**24)
    slots: int = Field(default=2, ge=1, le=64)
    threads: int | None = Field(default=None, ge=1, le=512)
    batch_size: int = Field(default=32, ge=1, le=2**16)
    gpu_layers: int = Field(default=0, ge=0, le=2**16)
    mmproj: Projector = None
    bounded_schemas: bool = True
    timeouts: Timeouts = Field(default_factory=Timeouts)


def check_options(given: Mapping[str, Any]) -> LocalOptions:
    """Return the options as a value.

    Raises:
        ConfigurationError: One is unknown or out of range.
    """
    unknown = [name for name in given if name not in LocalOptions.model_fields]
    if unknown:
        known = ", ".join(LocalOptions.model_fields)
        raise ConfigurationError(f"the local backend has no option {unknown[0]!r}; there are {known}")
    try:
        return LocalOptions(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{place}: {first['msg']}, not {first['input']!r}") from None
