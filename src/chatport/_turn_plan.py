"""What one turn is to do, settled before it begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatport._content import OpenCalls
from chatport._messages import Message, ToolCall
from chatport._request import ChatRequest
from chatport._retry import Retry
from chatport._tool_policy import DEFAULT_TOOL_POLICY, ToolPolicy
from chatport._url_media import UrlMedia
from chatport._usage_limits import Allowance
from chatport._window import Window
from chatport.backend import Backend

if TYPE_CHECKING:
    from chatport._output import Output  # noqa: TC004 - nobody evaluates the annotations of `TurnPlan`


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What a turn is to do.

    Attributes:
        backend: Whom to ask.
        request: The first request, the history and the new messages in it.
        added: The new messages, which the turn adds to the history.
        run_tools: Whether to run tools, or to end with the model's calls.
        max_steps: The most requests to send.
        media: What puts content in the place of URLs.
        output: The type that the answer has to fit; None for an answer in words.
        output_retries: How often an answer that does not fit is asked for again.
        retry: When a failed request is sent again; None for never.
        window: What is sent of the messages of each request; None for all of them.
        allowances: What the turn may spend, and its session.
        tool_policy: How tools are run, and who is asked first.
        open_calls: The calls that the turn begins with, in place of a request; None begins with the request.
        claim: What is awaited once, before the first tools run; where it raises, none does. It is told which of the
            calls that the turn began with are about to run. None needs no claim.
    """

    backend: Backend
    request: ChatRequest
    added: tuple[Message, ...]
    run_tools: bool
    max_steps: int
    media: UrlMedia
    output: Output | None = None
    output_retries: int = 0
    retry: Retry | None = None
    window: Window | None = None
    allowances: tuple[Allowance, ...] = ()
    tool_policy: ToolPolicy = DEFAULT_TOOL_POLICY
    open_calls: OpenCalls | None = None
    claim: Callable[[Sequence[ToolCall]], Awaitable[None]] | None = None
