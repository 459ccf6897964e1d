"""Log records on standard error, for `--debug`."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OWN = "chatport"


@contextmanager
def shown_records(*, enabled: bool) -> Generator[None]:
    """Show what chatport and its plugins log at any level, and warnings of everybody else.

    Libraries below log whole requests at their lowest level, credentials included: those stay out.
    """
    if not enabled:
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(_is_shown)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _is_shown(record: logging.LogRecord) -> bool:
    package = record.name.partition(".")[0]
    return package == _OWN or package.startswith(f"{_OWN}_") or record.levelno >= logging.WARNING
