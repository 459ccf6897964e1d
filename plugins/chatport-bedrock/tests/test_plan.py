"""Which call a request becomes, and when a refusal makes another one of it."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from chatport.backend import ChatRequest, InvalidRequestError, Message, RateLimitError, Tool, ToolCall, ToolResult
from chatport_bedrock._plan import Planner

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
HELLO = (Message.user("Hello."),)
TOOLS = (Tool("look", "Look."),)

FAILED = (
    Message.user("Look."),
    Message.assistant(ToolCall("1", "look", {})),
    Message("tool", (ToolResult("1", "no", is_error=True),)),
)
NO_STATUS = "This model doesn't support the status field. Remove status and try again."


def planner(streaming: Literal["auto", "always", "never"] = "auto") -> Planner:
    """Return a planner that has learned nothing."""
    return Planner(streaming=streaming, check_limits=True)


@pytest.mark.parametrize(
    ("mode", "streaming", "options", "operation", "told"),
    [
        ("auto", True, {}, "converse-stream", []),
        ("auto", False, {}, "converse", []),
        ("auto", True, {"tools": TOOLS}, "converse", ["answered-whole"]),
        ("auto", False, {"tools": TOOLS}, "converse", []),
        ("always", False, {"tools": TOOLS}, "converse-stream", []),
        ("never", True, {"tools": TOOLS}, "converse", []),
    ],
)
def test_rule_43_the_operation(
    mode: Any, streaming: bool, options: dict[str, Any], operation: str, told: list[str]
) -> None:
    """As the caller wants it, as far as the model goes along; an option of the backend overrides both."""
    plan = planner(mode).plan(ChatRequest(LLAMA, HELLO, streaming=streaming, **options))
    assert plan.operation == operation
    assert [adjustment.code for adjustment in plan.translation.adjustments] == told


def test_a_profile_is_planned_for_its_model_and_learns_for_it() -> None:
    """Where the model behind an ARN is known, what is known of it counts, and what is learned is learned of it."""
    plans = planner()
    request = ChatRequest(PROFILE, FAILED, tools=TOOLS, streaming=True)
    assert plans.plan(request).operation == "converse-stream"
    plan = plans.plan(request, base=LLAMA)
    assert (plan.operation, plan.translation.model) == ("converse", PROFILE)
    error = InvalidRequestError(NO_STATUS)
    plans.learn(error, request, plan)
    assert (error.retryable, error.retry_after) == (True, 0)
    for later in (plans.plan(request, base=LLAMA), plans.plan(ChatRequest(LLAMA, FAILED, tools=TOOLS))):
        assert "result-status-as-text" in [adjustment.code for adjustment in later.translation.adjustments]
    assert plans.plan(request).translation.body["messages"][2]["content"][0]["toolResult"]["status"] == "error"


def test_a_request_that_was_under_way_profits_from_the_lesson_of_another() -> None:
    """It was planned before, and its refusal comes after: sent again it is another one."""
    plans = planner()
    request = ChatRequest("maker.model", FAILED, tools=TOOLS)
    first, second = plans.plan(request), plans.plan(request)
    for plan in (first, second):
        error = InvalidRequestError(NO_STATUS)
        plans.learn(error, request, plan)
        assert error.retryable
    error = InvalidRequestError(NO_STATUS)
    plans.learn(error, request, plans.plan(request))
    assert not error.retryable


def test_what_is_no_refusal_stays_as_it_is() -> None:
    """Whatever its words are."""
    plans = planner()
    request = ChatRequest("maker.model", FAILED, tools=TOOLS)
    error = RateLimitError(NO_STATUS, retry_after=7)
    plans.learn(error, request, plans.plan(request))
    assert (error.message, error.retry_after) == (NO_STATUS, 7)
    assert plans.plan(request).can.result_status


def test_the_way_to_ask_for_a_type_is_learned() -> None:
    """Where the table is wrong about a model: from the service's own way to a strict tool, and to one that is not."""
    plans = planner()
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    request = ChatRequest("us.anthropic.claude-sonnet-4-5-20250929-v1:0", HELLO, output_schema=schema)
    plan = plans.plan(request)
    assert "textFormat" in plan.translation.body["outputConfig"]
    stricts: list[object] = []
    for words in (
        "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and try again.",
        "tools.0.custom.strict: Extra inputs are not permitted",
    ):
        error = InvalidRequestError(words)
        plans.learn(error, request, plan)
        assert error.retryable
        plan = plans.plan(request)
        assert "outputConfig" not in plan.translation.body
        (tool,) = plan.translation.body["toolConfig"]["tools"]
        stricts.append(tool["toolSpec"].get("strict"))
    assert stricts == [True, None]
