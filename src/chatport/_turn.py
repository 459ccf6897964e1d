"""One turn: ask the backend, run the tools, ask again, until the model is done, and its service.

The turn is an async generator of events with its state beside it, so that what has happened can be read at any time,
also after it broke off. It knows nothing of the history it will land in.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anyio import sleep

from chatport._adjustments import reported
from chatport._attempts import Attempts, Begun
from chatport._call_ids import with_distinct_ids
from chatport._errors import BackendError, ChatError, ToolLoopError
from chatport._events import Event, ReplyEnd, RetryStart, ToolRunEnd, Usage
from chatport._messages import Message, ToolCall, ToolResult
from chatport._output_reader import OutputReader, is_cut
from chatport._reply import Partial, Reply, Step, Timing
from chatport._retry import RetryBudget
from chatport._step_calls import StepCalls, cut_noted, waiting_step
from chatport._turn_watch import TurnWatch, watch_turn
from chatport._usage_limits import AnswerUsage, Spending, possible_answers
from chatport._window import windowed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from chatport._events import OutputRetryStart
    from chatport._request import ChatRequest, Tool
    from chatport._turn_plan import TurnPlan


class Turn:
    """A turn under way; `events()` runs it, the rest tells how far it has come."""

    def __init__(self, plan: TurnPlan) -> None:
        """Prepare; nothing is sent before the events are read."""
        self._plan = plan
        self._tools: Mapping[str, Tool] = {tool.name: tool for tool in plan.request.tools}
        waiting = plan.open_calls
        self._steps: list[Step] = [] if waiting is None else [waiting_step(waiting.message)]
        self._given: Mapping[str, ToolResult] = {} if waiting is None else waiting.given
        self._waited = len(self._steps)  # steps that stand in the history already
        self._budget = RetryBudget(plan.retry)
        self._attempts: Attempts | None = None  # at the step under way
        self._begun: Begun | None = None  # the answer that is being read
        self._calls: StepCalls | None = None  # that are being answered
        self._is_claimed = plan.claim is None
        self._has_run = False
        self._started = 0.0
        self._first_event: float | None = None
        self._watch = TurnWatch()
        self._reader = None if plan.output is None else OutputReader(plan.output, plan.output_retries)

    @property
    def backend_name(self) -> str:
        """Whom the turn asks."""
        return self._plan.backend.name

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the turn has added so far: the user's messages and every completed step with its tool results.

        An answer that does not fit the type, and what was said to it, make room for the answer that follows.
        """
        return self._told(superseded=len(self._steps) - 1)

    def _told(self, *, superseded: int) -> tuple[Message, ...]:
        """Return the user's messages and the steps, without the answers before that position that did not fit."""
        messages = list(self._plan.added)
        for position, step in enumerate(self._steps):
            if self._is_corrected(position, before=superseded):
                continue
            if position >= self._waited:
                messages.append(step.message)
            if step.tool_message is not None:
                messages.append(step.tool_message)
        return tuple(messages)

    def _is_corrected(self, position: int, *, before: int) -> bool:
        """Whether a step is an answer that did not fit, or begins one, and stands before a position."""
        if self._reader is None:
            return False
        while self._steps[position].continues and position + 1 < len(self._steps):
            position += 1
        return position < before and position in self._reader.corrections

    def _history_to_be(self) -> tuple[Message, ...] | None:
        """Return what will stand in the history before the next answer; None where that is what is sent."""
        if self._reader is None or not self._reader.corrections:
            return None
        first = self._plan.request.messages
        return (*first[: len(first) - len(self._plan.added)], *self._told(superseded=len(self._steps)))

    @property
    def usage(self) -> Usage:
        """What is known of the cost so far; incomplete while an answer has begun and not ended."""
        known = [step.usage for step in self._steps]
        if self._attempts is not None and (usage := self._attempts.usage) is not None:
            known.append(usage)
        return Usage.sum(known)

    def spending(self) -> Spending:
        """Return what the turn has sent and spent so far."""
        backend, asked = self._plan.backend.name, self._plan.request.model
        sent = sum(step.attempts for step in self._steps)
        answers = [
            AnswerUsage(step.backend or backend, step.model or asked, step.usage)
            for step in self._steps[self._waited :]
        ]
        if self._attempts is not None:
            sent += self._attempts.sent
            if (usage := self._attempts.usage) is not None:
                fold = self._attempts.fold
                finished = fold is not None and fold.end is not None
                if fold is not None and fold.start is not None:
                    backend, asked = fold.start.backend or backend, fold.start.model or asked
                answers.append(AnswerUsage(backend, asked, usage, finished=finished))
        return Spending(sent, tuple(answers))

    def _check_allowances(self) -> None:
        if not self._plan.allowances:
            return
        spending = self.spending()
        answerers = possible_answers(self._plan.backend, self._plan.request.model)
        for allowance in self._plan.allowances:
            allowance.check(spending, answerers)

    @property
    def _sent_steps(self) -> int:
        return len(self._steps) - self._waited

    def partial(self) -> Partial:
        """Return what has happened so far: the unfinished message included, and a result of each call under way."""
        if self._calls is not None:
            return Partial((*self.messages, Message("tool", self._calls.results_so_far())), self.usage)
        fold = None if self._attempts is None else self._attempts.fold
        if fold is not None and (begun := fold.snapshot()).parts:
            told = self._told(superseded=len(self._steps))
            begun, _ = with_distinct_ids(begun)
            if fold.end is not None and begun.tool_calls and is_cut(fold.end.stop_reason):
                begun = cut_noted(begun, fold.end.stop_reason)
            return Partial((*told, begun), self.usage, unfinished=fold.end is None)
        return Partial(self.messages, self.usage)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Run the turn. Close the generator to break off.

        Raises:
            ChatError: The exchange failed, the model asks for tools without end, or its answer does not fit the type
                that was asked for; `partial` says how far it came.
        """
        request = self._plan.request
        self._watch = await watch_turn(self._plan.backend.name, request)
        self._started = time.perf_counter()
        try:
            self._watch.turn_start(request)
            goes_on = self._waited > 0
            while True:
                if not goes_on:
                    async with aclosing(self._step(request)) as step_events:
                        async for event in step_events:
                            yield event
                goes_on = False
                calls = await self._decided_calls()
                if calls is None:
                    if self._service_goes_on():
                        request = self._next_request(request)
                        continue
                    again = self._asked_again()
                    if again is None:
                        break
                    yield again
                    del again  # it holds an error, and so the reply
                    request = self._next_request(request)
                    continue
                for start in calls.run_starts():
                    yield start
                results = await calls.run(self._plan.tool_policy, self._watch)
                self._take_results(results)
                for call, result in zip(calls.calls, results, strict=True):
                    yield ToolRunEnd(call, result)
                if is_cut(self._steps[-1].stop_reason):
                    self._asked_again()  # never true of an answer that was cut: it fits as it is, or is refused
                    break
                request = self._next_request(request)
            reply = self._reply()
        except BaseException as error:
            if isinstance(error, ChatError):
                self._complete_error(error)
            self._watch.turn_fail(error, self.partial)
            raise
        self._watch.turn_end(reply)
        yield ReplyEnd(reply)

    def next_ready(self) -> Event | None:
        """Return the event that follows the one that was read last, if it has come and only goes on with a part.

        Most do. This is their short way: `events` would give the same one, by way of three generators.
        """
        begun = self._begun
        if begun is None or not begun.ready or not begun.fold.feed_delta(begun.ready[0]):
            return None
        return begun.ready.popleft()

    async def _step(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Send one request, again where that may help, pass the events of its answer on and fold them into a step."""
        plan = self._plan
        sent = windowed(plan.window, request, self._history_to_be())
        request, left_out = sent.request, sent.left_out
        started = time.perf_counter()
        number = len(self._steps) + 1
        attempts = self._attempts = Attempts(
            plan.backend, plan.media, self._budget, self._watch, step=number, places=sent.places
        )
        self._check_allowances()
        while isinstance(begun := await attempts.begin(request), RetryStart):
            delay = begun.delay
            yield begun
            del begun  # it holds an error, whose traceback holds frames
            await sleep(delay)
            self._check_allowances()
        if self._first_event is None:
            self._first_event = begun.moment - self._started
        fold = begun.fold
        async with aclosing(begun.events) as events:
            yield begun.start
            for part_end in fold.feed(begun.following):
                yield part_end
            self._begun = begun
            yield begun.following
            async for event in events:
                if not fold.feed_delta(event):
                    for part_end in fold.feed(event):
                        yield part_end
                yield event
        self._begun = None
        step = _finish_step(attempts, begun, started)
        if left_out:
            step = replace(step, adjustments=(*reported(left_out), *step.adjustments))
        self._attempts = None
        self._steps.append(step)
        self._watch.step_end(step)

    async def _decided_calls(self) -> StepCalls | None:
        """Return the calls to answer now; None where the turn ends, as there are none or they have to wait."""
        step, given = self._steps[-1], self._given
        calls = self._calls_to_answer(step, given)
        self._given = {}  # an id may come back in a later message
        if not calls:
            if step.message.tool_calls and is_cut(step.stop_reason) and len(self._steps) > self._waited:
                self._steps[-1] = replace(step, message=cut_noted(step.message, step.stop_reason))
            return None
        self._calls = StepCalls(self._tools, calls, step.stop_reason, given)
        if not await self._calls.decide(self._plan.tool_policy):
            self._calls = None
        elif not self._is_claimed:
            await self._claim(self._calls)
        return self._calls

    def _service_goes_on(self) -> bool:
        """Whether the service has only paused, and there is a request left to let it go on."""
        step = self._steps[-1]
        return step.continues and not step.message.tool_calls and self._sent_steps < self._plan.max_steps

    async def _claim(self, calls: StepCalls) -> None:
        """Claim the stored session: of two that go on from one version of it, one may run tools.

        Raises:
            ConflictError: It is the other one.
            StoreError: The store cannot say.
        """
        self._calls = None  # where this is refused, the calls are as open as before
        if self._plan.claim is not None:
            await self._plan.claim(calls.to_run() if len(self._steps) == self._waited else ())
        self._is_claimed = True
        self._calls = calls

    @property
    def has_run_calls(self) -> bool:
        """Whether the running of any call has begun."""
        return self._has_run or (self._calls is not None and self._calls.has_begun)

    def _take_results(self, results: tuple[ToolResult, ...]) -> None:
        self._has_run = self.has_run_calls
        self._calls = None
        self._steps[-1] = replace(self._steps[-1], tool_message=Message("tool", results))

    def _calls_to_answer(self, step: Step, given: Mapping[str, ToolResult]) -> tuple[ToolCall, ...]:
        """Return the calls that the turn itself answers; none where the caller is to answer them, or there are none."""
        calls = step.message.tool_calls
        if not calls or not self._plan.run_tools or not (self._tools or given):
            return ()
        open_calls = [call for call in calls if call.id not in given]
        if any(call.name in self._tools and self._tools[call.name].function is None for call in open_calls):
            # Results of one step go back in one message: if the caller owes one of them, the caller owes them all.
            return ()
        if self._sent_steps >= self._plan.max_steps and not is_cut(step.stop_reason):
            message = f"the model still asks for tools after max_steps={self._plan.max_steps} requests"
            raise ToolLoopError(message)
        if not is_cut(step.stop_reason):
            self._check_allowances()  # what runs now has effects, and its results could not be sent
        return calls

    def _next_request(self, request: ChatRequest) -> ChatRequest:
        # A forced choice holds for the first answer: kept, it would force a call for ever.
        is_kept = request.tool_choice in {"auto", "none"} or self._steps[-1].continues
        choice = request.tool_choice if is_kept else None
        messages = list(self._plan.request.messages)
        for position, step in enumerate(self._steps):
            if position >= self._waited:
                messages.append(step.message)
            if step.tool_message is not None:
                messages.append(step.tool_message)
            if self._reader is not None and (correction := self._reader.corrections.get(position)) is not None:
                messages.append(correction)
        return replace(request, messages=tuple(messages), tool_choice=choice)

    def _asked_again(self) -> OutputRetryStart | None:
        """Read the answer as the type; where it does not fit and is to be asked for again, return the event of that.

        Raises:
            OutputError: The answer does not fit the type that was asked for.
        """
        if self._reader is None:
            return None
        return self._reader.read(self._reply(), steps_left=self._plan.max_steps - self._sent_steps)

    def _complete_error(self, error: ChatError) -> None:
        # Whatever it carries already is of another turn: a backend may raise one and the same error again.
        error.partial = self.partial()
        if isinstance(error, BackendError) and self._attempts is not None:
            self._attempts.name_place(error)

    def _reply(self) -> Reply[Any]:
        """Return the turn as far as it has come."""
        services = [step.timing.service for step in self._steps if step.timing.service is not None]
        total = time.perf_counter() - self._started
        timing = Timing(self._first_event, total, sum(services) if services else None)
        output = None if self._reader is None else self._reader.value
        return Reply(self.messages, tuple(self._steps), output, timing)


def _finish_step(attempts: Attempts, begun: Begun, started: float) -> Step:
    start, answer, end = begun.fold.complete()
    # What comes from here on, in the history and to whoever is asked, knows calls by their ids; what was passed on as
    # it came says what the model said.
    message, renamed = with_distinct_ids(answer)
    if end.continues:
        # Whoever is to go on may need what the service said at the end, such as where its tools run.
        message = replace(message, metadata={**message.metadata, **end.metadata})
    return Step(
        message,
        end.stop_reason,
        end.raw_stop_reason,
        attempts.usage or end.usage,
        start.model,
        start.request_id,
        (*reported(start.adjustments), *renamed),
        Timing(begun.moment - started, time.perf_counter() - started, end.service_seconds),
        attempts.sent,
        end.metadata,
        backend=start.backend,
        continues=end.continues,
    )
