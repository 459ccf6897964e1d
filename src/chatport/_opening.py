"""Opening a conversation together with its backend, by a model string."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from chatport._errors import ConfigurationError
from chatport._registry import opened_backend, split_model
from chatport._session import Session

if TYPE_CHECKING:
    from typing_extensions import TypeForm, Unpack

    from chatport._messages import Content
    from chatport._options import SessionOptions
    from chatport._reply import Reply

_MODEL_VARIABLE = "CHATPORT_MODEL"
_OutputT = TypeVar("_OutputT")


@asynccontextmanager
async def open_session(
    model: str | None, *, backend_options: dict[str, Any] | None = None, **options: Unpack[SessionOptions]
) -> AsyncGenerator[Session]:
    """Open a conversation together with its backend, and close both at the end.

    Args:
        model: `backend:model`, such as `"echo:any"`; None reads the environment variable `CHATPORT_MODEL`.
        backend_options: The backend's own options.
        **options: See `SessionOptions`.

    Raises:
        ConfigurationError: No model is given or set, or a backend option is wrong.
        UnknownBackendError: Nothing is installed under the backend's name.
        BrokenBackendError: What is installed cannot be loaded or built.
    """
    backend_name, identifier = split_model(model if model is not None else _model_from_environment())
    async with (
        opened_backend(backend_name, backend_options or {}) as backend,
        Session(backend, identifier, **options) as session,
    ):
        yield session


@overload
async def ask(
    model: str | None,
    *content: Content,
    output: None = None,
    backend_options: dict[str, Any] | None = None,
    **options: Unpack[SessionOptions],
) -> Reply[None]: ...


@overload
async def ask(
    model: str | None,
    *content: Content,
    output: type[_OutputT],
    backend_options: dict[str, Any] | None = None,
    **options: Unpack[SessionOptions],
) -> Reply[_OutputT]: ...


@overload
async def ask(
    model: str | None,
    *content: Content,
    output: TypeForm[_OutputT],
    backend_options: dict[str, Any] | None = None,
    **options: Unpack[SessionOptions],
) -> Reply[_OutputT]: ...


async def ask(
    model: str | None,
    *content: Content,
    output: Any = None,
    backend_options: dict[str, Any] | None = None,
    **options: Unpack[SessionOptions],
) -> Reply[Any]:
    """Ask once and close everything: for scripts. Whoever asks more than once opens a session.

    Args:
        model: As for `open_session`.
        *content: As for `Session.ask`.
        output: As for `Session.ask`.
        backend_options: The backend's own options.
        **options: See `SessionOptions`.

    Raises:
        ChatError: As for `open_session` and `Session.ask`.
    """
    async with open_session(model, backend_options=backend_options, **options) as session:
        return cast("Reply[Any]", await session.ask(*content, output=output))


def _model_from_environment() -> str:
    model = os.environ.get(_MODEL_VARIABLE)
    if not model:
        message = f"no model: give one as backend:model, or set the environment variable {_MODEL_VARIABLE}"
        raise ConfigurationError(message)
    return model
