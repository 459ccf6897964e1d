"""What a session was told when it was made, and the requests that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from chatport._messages import Message, Part, as_parts
from chatport._options import (
    DEFAULT_MAX_STEPS,
    DEFAULT_OUTPUT_RETRIES,
    SessionOptions,
    TurnOptions,
    checked_choice,
    checked_output_retries,
    checked_retry,
    checked_settings,
    checked_steps,
)
from chatport._request import ChatRequest, Settings, Tool, ToolChoice
from chatport._retry import Retry
from chatport._timeouts import Timeouts, checked_timeouts
from chatport._tool_policy import DEFAULT_TOOL_POLICY, ToolPolicy
from chatport._tools import as_tools
from chatport._usage_limits import UsageLimits, checked_limits
from chatport._window import Window, checked_window

if TYPE_CHECKING:
    from chatport._output import Output

_DEFAULT_RETRY: Final = Retry()
_DEFAULT_TIMEOUTS: Final = Timeouts()


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """The options of a session that hold for all its turns; see `SessionOptions` for what each means."""

    system: tuple[Part, ...]
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    settings: Settings
    max_steps: int
    output_retries: int
    retry: Retry | None
    timeouts: Timeouts
    strict: bool
    usage_limits: UsageLimits | None
    window: Window | None
    tool_policy: ToolPolicy

    @classmethod
    def of(cls, options: SessionOptions) -> Self:
        """Return what options say, checked.

        Raises:
            TypeError: An option is of the wrong type.
            ValueError: An option's value makes no sense.
        """
        system = options.get("system")
        tools = options.get("tools")
        return cls(
            system=() if system is None else as_parts(system),
            tools=as_tools(tools) if tools else (),
            tool_choice=options.get("tool_choice"),
            settings=checked_settings(options.get("settings")) or Settings(),
            max_steps=checked_steps(options.get("max_steps", DEFAULT_MAX_STEPS)),
            output_retries=checked_output_retries(options.get("output_retries", DEFAULT_OUTPUT_RETRIES)),
            retry=checked_retry(options.get("retry", _DEFAULT_RETRY)),
            timeouts=checked_timeouts(options.get("timeouts")) or _DEFAULT_TIMEOUTS,
            strict=options.get("strict", False),
            usage_limits=checked_limits(options.get("usage_limits")),
            window=checked_window(options.get("window")),
            tool_policy=DEFAULT_TOOL_POLICY.merged(options),
        )

    def options(self) -> SessionOptions:
        """Return the options that say the same, all but those of how tools are run."""
        return {
            "system": self.system,
            "tools": self.tools,
            "tool_choice": self.tool_choice,
            "settings": self.settings,
            "max_steps": self.max_steps,
            "output_retries": self.output_retries,
            "retry": self.retry,
            "timeouts": self.timeouts,
            "strict": self.strict,
            "usage_limits": self.usage_limits,
            "window": self.window,
        }

    def request(
        self,
        model: str,
        messages: tuple[Message, ...],
        output: Output | None,
        options: TurnOptions,
        *,
        streaming: bool,
    ) -> ChatRequest:
        """Return the request of a turn.

        Raises:
            TypeError: An option of the turn is of the wrong type.
            ValueError: An option's value makes no sense.
        """
        given = options.get("tools")
        tools = self.tools if given is None else as_tools(given)
        choice = options.get("tool_choice")
        strict = options.get("strict")
        settings = self.settings.merged(checked_settings(options.get("settings")))
        request = ChatRequest(
            model,
            messages,
            self.system,
            tools,
            checked_choice(self.tool_choice if choice is None else choice, tools, settings),
            settings,
            streaming=streaming,
            strict=self.strict if strict is None else strict,
            timeouts=self.timeouts.merged(checked_timeouts(options.get("timeouts"))),
        )
        return request if output is None else replace(request, output_schema=output.schema, output_name=output.name)

    def steps(self, options: TurnOptions) -> int:
        """Return the most requests of a turn.

        Raises:
            ValueError: It is less than 1.
        """
        steps = options.get("max_steps")
        return self.max_steps if steps is None else checked_steps(steps)

    def retries_of_output(self, options: TurnOptions) -> int:
        """Return how often a turn asks again for an answer that does not fit.

        Raises:
            ValueError: It is less than 0.
        """
        retries = options.get("output_retries")
        return self.output_retries if retries is None else checked_output_retries(retries)
