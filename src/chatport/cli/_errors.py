"""What the command itself refuses; everything else that goes wrong comes from the library."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot do what was asked of it.

    Attributes:
        hint: What to do about it, or None.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the message and the hint."""
        super().__init__(message)
        self.hint = hint


class UsageError(CommandError):
    """The command line makes no sense as it stands; the exit code says so."""


class OutputError(Exception):
    """Standard output takes no more.

    Attributes:
        reason: Why, or None where the reader has gone, as `head` does when it has enough.
    """

    def __init__(self, reason: str | None = None) -> None:
        """Keep the reason."""
        super().__init__(reason or "the reader of standard output has gone")
        self.reason = reason
