"""Types of parameters, and functions as tools take them, for the tests of signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from chatport._signatures import InvalidArgumentsError, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable


class Unit(Enum):
    """How to count."""

    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class City(BaseModel):
    """A place to live."""

    name: str
    title: str = ""
    people: Annotated[int, Field(ge=0, description="How many live there")] = 0


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", title="As given")

    day: date
    price: Decimal = Field(default=Decimal(0), title="What it costs")


@dataclass
class Point:
    x: float
    y: float = 0.0


class Options(TypedDict, total=False):
    colour: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Node(BaseModel):
    children: list[Node] = []


def schema_of(function: Callable[..., Any], **descriptions: str) -> dict[str, Any]:
    """The schema of a function's arguments."""
    return Parameters(function, descriptions).schema


def bind(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """What the function returns for arguments from JSON."""
    positional, keywords = Parameters(function, {}).bind(arguments)
    return function(*positional, **keywords)


def refusal(function: Callable[..., Any], /, **arguments: Any) -> str:
    """What a model is told of arguments that do not fit."""
    with pytest.raises(InvalidArgumentsError) as caught:
        Parameters(function, {}).bind(arguments)
    return str(caught.value)
