"""Results of tools as families of models take them: media inside or beside them, and how a failure is told."""

from typing import Any

import pytest
from bedrock_support.models import SAMPLES

from chatport.backend import ChatRequest, Document, Image, Message, Part, Tool, ToolCall, ToolResult
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import Translation, translate

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
PIXTRAL = "mistral.pixtral-large-2502-v1:0"
KIMI = "moonshotai.kimi-k2.5"
WRITER = "writer.palmyra-x5-v1:0"
NEWCOMER = "newcomer.model-1.5-v1:0"
IMAGE = Image("image/png", b"x")
PICTURE = {"image": {"format": "png", "source": {"bytes": b"x"}}}
PDF = Document("application/pdf", b"%PDF-", name="report")
PAPER = {"document": {"format": "pdf", "name": "report", "source": {"bytes": b"%PDF-"}}}


def translated(model: str, *results: ToolResult) -> Translation:
    """Translate a conversation that ends with these results."""
    calls = (ToolCall(result.id, "t") for result in results)
    messages = (Message.user("?"), Message.assistant(*calls), Message("tool", results))
    return translate(ChatRequest(model, messages, tools=(Tool("t"),)))


def resulted(model: str, *content: Part, is_error: bool = False) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """The blocks of the last turn, and what was adjusted."""
    translation = translated(model, ToolResult("tooluse_1", content, is_error))
    found: list[tuple[str, str, str]] = [(item.kind, item.code, item.path) for item in translation.adjustments]
    return translation.body["messages"][-1]["content"], found


def test_rule_27_a_medium_that_the_model_does_not_take_inside_follows() -> None:
    """Words stand in its place, and it comes behind the results with words that say whose it is."""
    blocks, found = resulted(KIMI, IMAGE)
    assert blocks == [
        {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "(see 'image 1', which follows)"}]}},
        {"text": "This is 'image 1' of the result of the call tooluse_1:"},
        PICTURE,
    ]
    assert found == [("changed", "result-media-moved", "messages[2].parts[0].content[0]")]


def test_rule_27_all_results_come_before_all_media() -> None:
    """However many results have some."""
    translation = translated(KIMI, ToolResult("tooluse_1", [IMAGE]), ToolResult("tooluse_2", [IMAGE]))
    kinds = [next(iter(block)) for block in translation.body["messages"][-1]["content"]]
    assert kinds == ["toolResult", "toolResult", "text", "image", "text", "image"]


def test_rule_27_nova_reads_only_documents_of_text_inside() -> None:
    """A PDF follows under its name; a text stays, and so does an image."""
    blocks, found = resulted(NOVA, PDF, Document("text/plain", b"x", name="n"), IMAGE)
    assert [next(iter(block)) for block in blocks[0]["toolResult"]["content"]] == ["text", "document", "image"]
    assert blocks[2] == PAPER
    assert found == [("changed", "result-media-moved", "messages[2].parts[0].content[0]")]


def test_rule_27_where_results_stand_alone_the_medium_gets_a_turn() -> None:
    """Mistral takes documents inside, and nothing beside the results."""
    translation = translated(PIXTRAL, ToolResult("tooluse_1", [PDF, IMAGE]))
    turns = translation.body["messages"][2:]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert PAPER in turns[0]["content"][0]["toolResult"]["content"]
    assert PICTURE in turns[2]["content"]


@pytest.mark.parametrize("model", [CLAUDE, NEWCOMER])
def test_rule_27_what_the_model_takes_inside_stays_inside(model: str) -> None:
    """Claude takes both; of an unknown model we know nothing."""
    blocks, found = resulted(model, IMAGE, PDF)
    assert blocks == [{"toolResult": {"toolUseId": "tooluse_1", "content": [PICTURE, PAPER]}}]
    assert found == []


@pytest.mark.parametrize("model", SAMPLES)
def test_rule_27_no_model_gets_a_medium_inside_that_it_refuses(model: str) -> None:
    """The table has the last word, and nothing is lost."""
    translation = translated(model, ToolResult("tooluse_1", [IMAGE, PDF]))
    can = capabilities(model)
    content = [block for turn in translation.body["messages"] for block in turn["content"]]
    inside = [
        kind for block in content for item in block.get("toolResult", {"content": []})["content"] for kind in item
    ]
    assert set(inside) - {"text"} <= can.result_media
    assert sum(kind in {"image", "document"} for kind in [*inside, *(kind for block in content for kind in block)]) == 2


def test_rule_30_a_failure_is_told_in_words_where_no_status_is_taken() -> None:
    """Writer refuses the member; elsewhere it says what it says."""
    blocks, found = resulted(WRITER, is_error=True)
    words = [{"text": "The tool failed:"}, {"text": "(no output)"}]
    assert blocks == [{"toolResult": {"toolUseId": "tooluse_1", "content": words}}]
    assert ("changed", "result-status-as-text", "messages[2].parts[0]") in found
    for model in (CLAUDE, NEWCOMER):
        assert resulted(model, is_error=True)[0][0]["toolResult"]["status"] == "error"


def test_rule_30_success_needs_no_words() -> None:
    """A status that only says that all went well is left out without a word."""
    fine = ToolResult("tooluse_1", "done", metadata={"bedrock": {"status": "success"}})
    translation = translated(WRITER, fine)
    assert translation.body["messages"][-1]["content"][0]["toolResult"] == {
        "toolUseId": "tooluse_1",
        "content": [{"text": "done"}],
    }
    assert translation.adjustments == ()


def test_rule_30_the_result_of_an_interrupted_call_has_no_status_either() -> None:
    """Its words say what happened."""
    messages = (Message.user("?"), Message.assistant(ToolCall("tooluse_1", "t")))
    body = translate(ChatRequest(WRITER, messages, tools=(Tool("t"),))).body
    assert "status" not in body["messages"][-1]["content"][0]["toolResult"]
