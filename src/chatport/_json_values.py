"""What a JSON value is: tests that also tell the type checker."""

from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a JSON object.

    Only the kind of the value is looked at: names and members may still be none that JSON has.
    """
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether it is a JSON array; a tuple stands for one, as in Python's own encoder."""
    return isinstance(value, (list, tuple))
