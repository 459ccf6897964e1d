"""JSON as services write it in their answers."""

import json
from typing import Any

from pydantic_core import from_json


def parse_answer(data: str | bytes) -> Any:
    """Return the value of JSON in an answer.

    Half of a surrogate pair is taken for what it is: services cut texts in the middle of a character, and the other
    half follows in the next piece. The fast parser refuses it, so what has one goes to a slower one.

    Raises:
        ValueError: It is no JSON, or nested deeper than can be read.
    """
    try:
        return from_json(data)
    except ValueError:
        pass  # it may have half of a pair in it
    try:
        return json.loads(data)
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None
