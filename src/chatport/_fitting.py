"""Tokens counted by the backend where it can, and histories cut to a count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatport._errors import UnsupportedError
from chatport._estimate import estimate_request, estimate_tokens
from chatport._oldest_steps import Pinned, notes_of, oldest_steps, without
from chatport._revision import Revision, TokenCount
from chatport.backend import Backend, CountsTokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport._messages import Content, Message
    from chatport._request import ChatRequest
    from chatport._session import Session


async def count_tokens(backend: Backend, request: ChatRequest) -> TokenCount:
    """Return how many input tokens a request has: by the backend's count, else an estimate that says why it is one.

    Args:
        backend: Whom to ask, such as `session.backend`.
        request: The request, such as `session.request("...")`.

    Raises:
        ConfigurationError: Something needed to ask is missing.
        BackendError: The service did not answer; no estimate stands in for what went wrong.
    """
    if not isinstance(backend, CountsTokens):
        return TokenCount(estimate_request(request), f"the backend {backend.name!r} counts no tokens")
    try:
        return TokenCount(await backend.count_tokens(request))
    except UnsupportedError as error:
        return TokenCount(estimate_request(request), str(error))


async def fit_history(session: Session, *content: Content, max_tokens: int, pinned: Pinned | None = None) -> Revision:
    """Return a session's history without its oldest steps, so that what it sends next has at most so many tokens.

    What goes first, and what stays, is as with `drop_oldest_steps`; the tokens are those of the whole request, with
    system prompt and tools, by the backend's count where it counts: `tokens` says which. The session is not changed:

        revision = await fit_history(session, "And then?", max_tokens=100_000)
        session.edit(revision.messages)

    Args:
        session: Whose history.
        *content: What is to be asked next; it is counted with the rest.
        max_tokens: How many tokens the request may have.
        pinned: Says of a message whether it has to stay; None pins none.

    Raises:
        ValueError: As for `Session.ask`, or `max_tokens` makes no sense.
        StreamClosedError: The session's block has ended.
        ConfigurationError: Something needed to count is missing.
        BackendError: The service did not answer.
    """
    if max_tokens < 1:
        message = f"max_tokens must be at least 1, not {max_tokens}"
        raise ValueError(message)
    history = session.messages
    content = content or _something(history)
    candidates = oldest_steps(history, pinned)
    step = next(candidates, None)
    dropped: list[int] = []
    while True:
        left = without(history, dropped)
        request = session.fork(messages=left).request(*content)
        tokens = await count_tokens(session.backend, request)
        if tokens.tokens <= max_tokens or step is None:
            break
        # The backend counts whole requests; what each step has of that is estimated, and counted again.
        scale = 1.0 if tokens.is_estimate else tokens.tokens / max(estimate_request(request), 1)
        excess = float(tokens.tokens - max_tokens)
        while step is not None and excess > 0:
            excess -= estimate_tokens(history[place] for place in step) * scale
            dropped += step
            step = next(candidates, None)
    what = f"the oldest messages are left out, for the request to have at most {max_tokens} tokens"
    return Revision(left, notes_of(sorted(dropped), "dropped", "oldest-steps-dropped", what), tokens)


def _something(history: Sequence[Message]) -> tuple[Content, ...]:
    """Return what may be asked next where nobody says it: as little as can be, or nothing where the user spoke last."""
    return (".",) if not history or history[-1].role == "assistant" else ()
