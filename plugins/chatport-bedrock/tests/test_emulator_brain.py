"""The scripted brain: what it answers, and that it keeps to the request."""

import json
from typing import Any

import pytest
from bedrock_support.brain import answer, content
from bedrock_support.emulation import (
    CLAUDE,
    NOVA,
    OLD_CLAUDE,
    TOOLS,
    assert_valid_answer,
    assert_valid_events,
    assistant,
    document,
    gif,
    image,
    jpeg,
    png,
    read_events,
    tool_result,
    user,
    webp_extended,
    webp_lossless,
    webp_lossy,
)
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock._image_header import ImageInfo, read_image
from chatport_bedrock.emulator._answer import event_frame, plan_events, response_body
from chatport_bedrock.emulator._brain import plan_answer
from chatport_bedrock.emulator._conversation import Conversation, model_family
from chatport_bedrock.emulator._tokens import count_tokens

THINKING: dict[str, Any] = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}


def say(prompt: str, *more: dict[str, Any], **members: Any) -> str:
    """The words of an answer to one message."""
    body = answer(user(prompt, *more), **members)
    assert body["stopReason"] == "end_turn"
    (block,) = content(body)
    return str(block["text"])


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_question_is_shown_to_be_understood() -> None:
    """The answer repeats the question, counts turns, and quotes the instructions; brief instructions are obeyed."""
    body = answer(user("Hi"), assistant("Hello!"), user("Which way?"), system=[{"text": "Be kind."}])
    text = content(body)[0]["text"]
    assert "You asked: “Which way?”" in text
    assert "turn 2" in text
    assert "“Be kind.”" in text
    assert say("Which way?", system=[{"text": "Be brief."}]) == "You asked: “Which way?”"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Hello!", "Hello! I am the Bedrock emulator"),
        ("What is your name?", "I am the Bedrock emulator"),
        ("What are your instructions?", "I have been given no instructions."),
        ('Please say "good morning"', "good morning"),
        ("Reply with exactly: 42 is fine", "42 is fine"),
        ("Count to 5", "1, 2, 3, 4, 5."),
        ("Count from 3 to 4", "3, 4."),
        ("What is 6 x 7?", "6 x 7 = 42."),
        ("What is 7 / 2?", "7 / 2 = 3.5."),
        ("What is 7 / 0?", "7 cannot be divided by 0."),
        ("What is my name?", "You have not told me your name."),
        ("What happened on 2024-01-05?", "You asked: “What happened on 2024-01-05?”"),
        ("What does it say here?", "You asked: “What does it say here?”"),
    ],
)
def test_some_prompts_are_answered(prompt: str, words: str) -> None:
    """A few kinds of prompt get what they ask for; those that look alike do not."""
    assert say(prompt).startswith(words)


def test_a_name_is_remembered() -> None:
    """The history is read."""
    body = answer(user("My name is Ada."), assistant("Hello, Ada!"), user("What's my name?"))
    assert content(body) == [{"text": "Your name is Ada."}]


def test_a_story_is_long_enough_to_stream() -> None:
    """It is about what was asked for, and has many words."""
    text = say("Tell me a story about a fox.")
    assert "about a fox." in text
    assert len(text.split()) > 100


def test_a_message_without_words_is_answered() -> None:
    """Blanks and cache points say nothing."""
    body = answer(user(" ", {"cachePoint": {"type": "default"}}))
    assert "nothing in words" in content(body)[0]["text"]


def test_a_prompt_that_is_stored_elsewhere_is_answered() -> None:
    """There may be no message at all."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ"
    assert content(answer(model=arn))[0]["text"]


def test_an_answer_in_json_fits_the_schema() -> None:
    """Where the request asks for a format, the answer is JSON of that format."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema)}}}
    text = say("Which city? The one in Paris, TX.", outputConfig={"textFormat": wanted})
    assert json.loads(text) == {"city": "Paris, TX"}


# --- media -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (png(3, 2), ImageInfo("png", 3, 2)),
        (jpeg(640, 480), ImageInfo("jpeg", 640, 480)),
        (gif(5, 4), ImageInfo("gif", 5, 4)),
        (webp_lossy(300, 200), ImageInfo("webp", 300, 200)),
        (webp_lossless(16384, 1), ImageInfo("webp", 16384, 1)),
        (webp_extended(70000, 2), ImageInfo("webp", 70000, 2)),
        (b"\x89PNG\r\n\x1a\n", ImageInfo("png")),
        (b"GIF87a\x01", ImageInfo("gif")),
        (b"\xff\xd8\xff", ImageInfo("jpeg")),
        (b"\xff\xd8\xff\xd9", ImageInfo("jpeg")),
        (b"\xff\xd8\xff\xd0\xff\xe0", ImageInfo("jpeg")),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ImageInfo("webp")),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"", None),
    ],
)
def test_image_headers_are_read(data: bytes, found: ImageInfo | None) -> None:
    """Format and size of all four formats, and of headers that are cut short."""
    assert read_image(data) == found


@given(st.sampled_from([png(), jpeg(), gif(), webp_lossy(), webp_lossless(), webp_extended()]), st.data())
def test_damaged_headers_are_no_trouble(whole: bytes, data: st.DataObject) -> None:
    """Cut anywhere, with any byte replaced, a header gives something or nothing, but no error."""
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    if cut:
        cut[data.draw(st.integers(0, len(cut) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(read_image(bytes(cut)), ImageInfo | None)


def test_images_are_described() -> None:
    """Format, size in pixels and bytes; several are numbered; one is found again in a later turn."""
    text = say("What is in this picture?", image(png(30, 20)))
    assert text.startswith(f"The image is a PNG of 30 x 20 pixels, {len(png(30, 20))} bytes.")
    text = say("Compare.", image(png()), image(jpeg(), "jpeg"))
    assert "The image 1 is a PNG of 3 x 2 pixels" in text
    assert "The image 2 is a JPEG of 640 x 480 pixels" in text
    body = answer(user("Look.", image(gif(), "gif")), assistant("I see."), user("How large is the picture?"))
    assert "GIF of 5 x 4 pixels" in content(body)[0]["text"]


def test_documents_and_other_media_are_described() -> None:
    """Name, format and size, and the first words where a document is text; what lies elsewhere is not read."""
    text = say("Summarise.", document("notes", b"It was a dark night. " * 10))
    assert "The document “notes” is TXT, 210 bytes, and begins: “It was a dark night." in text
    assert "The document “scan” is PDF, 5 bytes." in say("Summarise.", document("scan", b"%PDF-", "pdf"))
    assert "16 characters" in say("Read.", {"document": {"name": "a", "source": {"text": "Once upon a time"}}})
    assert "Once" in say("Read.", {"document": {"name": "a", "source": {"content": [{"text": "Once"}]}}})
    film = {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/film.mp4"}}}}
    sound = {"audio": {"format": "mp3", "source": {"bytes": "AAEC"}}}
    (seen,) = content(answer(user("What is it?", film, sound), model="us.amazon.nova-2-omni-v1:0"))
    assert "stored at s3://bucket/film.mp4, which I do not read" in seen["text"]
    assert "The audio recording is MP3, 3 bytes." in seen["text"]


# --- reasoning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thinking", "reasoning_config", "reasoningConfig"])
def test_reasoning_comes_first_when_it_is_asked_for(name: str) -> None:
    """With a signature where the family signs, without one where it does not; not at all when it is off."""
    on: dict[str, Any] = {"additionalModelRequestFields": {name: {"type": "enabled", "budget_tokens": 1024}}}
    first, second = content(answer(user("Well?"), **on))
    assert set(first["reasoningContent"]["reasoningText"]) == {"text", "signature"}
    assert "text" in second
    unsigned = content(answer(user("Well?"), model=NOVA, **on))[0]
    assert set(unsigned["reasoningContent"]["reasoningText"]) == {"text"}
    off: dict[str, Any] = {"additionalModelRequestFields": {name: {"type": "disabled"}}}
    assert [list(block) for block in content(answer(user("Well?"), **off))] == [["text"]]


def test_reasoning_goes_back_word_for_word() -> None:
    """The own signature is known again, through a tool round too; a changed text is not accepted."""
    first = answer(user("The weather in Oslo?"), toolConfig=TOOLS, **THINKING)
    blocks = [
        {"toolUse": {k: v for k, v in block["toolUse"].items() if k != "type"}} if "toolUse" in block else block
        for block in content(first)
    ]
    result = user(tool_result(blocks[-1]["toolUse"]["toolUseId"]))
    history = [user("The weather in Oslo?"), assistant(*blocks), result]
    assert content(answer(*history, toolConfig=TOOLS, **THINKING))[-1]["text"]
    blocks[0]["reasoningContent"]["reasoningText"]["text"] += " "
    with pytest.raises(Exception, match="Invalid `signature`"):
        answer(*history, toolConfig=TOOLS, **THINKING)


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [1, 10, 50])
def test_max_tokens_is_kept(tokens: int) -> None:
    """The text is cut, the reason says so, and the count is what was allowed."""
    body = answer(user("Tell me a story."), inferenceConfig={"maxTokens": tokens})
    assert body["stopReason"] == "max_tokens"
    assert body["usage"]["outputTokens"] == tokens == count_tokens(content(body)[0]["text"])


def test_a_stop_sequence_ends_the_answer() -> None:
    """Claude leaves the sequence out and names it if asked; of Nova it is recorded that it stays in, and no reason."""
    limits: dict[str, Any] = {"inferenceConfig": {"stopSequences": ["four", "three"]}}
    prompt = user("Reply with exactly: one two three four")
    body = answer(prompt, additionalModelResponseFieldPaths=["/stop_sequence"], **limits)
    assert (body["stopReason"], content(body)) == ("stop_sequence", [{"text": "one two "}])
    assert body["additionalModelResponseFields"] == {"stop_sequence": "three"}
    assert "additionalModelResponseFields" not in answer(prompt, **limits)
    body = answer(prompt, model=NOVA, **limits)
    assert (body["stopReason"], content(body)) == ("end_turn", [{"text": "one two three"}])


def test_a_call_that_the_limit_cuts() -> None:
    """In a stream the JSON of the call breaks off, the reason is the limit; at its very end the call is missing."""
    body = {"messages": [user("The weather in Oslo?")], "toolConfig": TOOLS, "inferenceConfig": {"maxTokens": 12}}
    plan = plan_answer(Conversation(CLAUDE, body))
    events = plan_events(plan, model=CLAUDE, latency=0.1)
    sent = "".join(
        event["contentBlockDelta"]["delta"].get("toolUse", {}).get("input", "")
        for event in events
        if "contentBlockDelta" in event
    )
    assert plan.stop_reason == "max_tokens"
    assert '{"location": "Oslo"}'.startswith(sent)
    assert sent
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(sent)
    words = count_tokens("Let me look that up with get_weather.")
    short = answer(user("The weather in Oslo?"), toolConfig=TOOLS, inferenceConfig={"maxTokens": words})
    assert [list(block) for block in content(short)] == [["text"]]


PROMPTS = st.one_of(
    st.text(min_size=1, max_size=80).filter(str.strip),
    st.sampled_from(
        ["Tell me a story.", "The weather in Paris and Rome?", "What is 1 + 1?", "Say hi", "Time in Oslo?"]
    ),
)


@given(
    prompt=PROMPTS,
    model=st.sampled_from([CLAUDE, OLD_CLAUDE, NOVA]),
    tokens=st.none() | st.integers(1, 60),
    tools=st.booleans(),
    thinking=st.booleans(),
    stop=st.lists(st.sampled_from(["a", "the", " ", "."]), max_size=2),
)
def test_every_answer_is_right(
    *, prompt: str, model: str, tokens: int | None, tools: bool, thinking: bool, stop: list[str]
) -> None:
    """Whatever is asked: both forms of the answer are valid, say the same, keep the limit, and are the same again."""
    inference: dict[str, Any] = {"stopSequences": stop} | ({} if tokens is None else {"maxTokens": tokens})
    request: dict[str, Any] = {"messages": [user(prompt)], "inferenceConfig": inference}
    request |= ({"toolConfig": TOOLS} if tools else {}) | (THINKING if thinking else {})
    conversation = Conversation(model, json.loads(json.dumps(request)))
    plan = plan_answer(conversation)
    body = response_body(plan, latency=0.1)
    assert_valid_answer(body)
    assert tokens is None or body["usage"]["outputTokens"] <= tokens
    events = plan_events(plan, model=model, latency=0.1)
    assert_valid_events(read_events(b"".join(map(event_frame, events))))
    assert plan == plan_answer(conversation)
    if plan.cut_input is None:
        assert _folded(events) == content(body)


def _folded(events: list[Any]) -> list[dict[str, Any]]:
    """The blocks that a stream says."""
    blocks: list[dict[str, Any]] = []
    for event in events:
        ((name, payload),) = event.items()
        if name == "contentBlockStart":
            blocks.append({"toolUse": {**payload["start"]["toolUse"], "input": ""}})
        elif name == "contentBlockDelta":
            if payload["contentBlockIndex"] == len(blocks):
                blocks.append({})
            _fold_delta(blocks[-1], payload["delta"])
        elif name == "contentBlockStop" and "toolUse" in blocks[-1]:
            blocks[-1]["toolUse"]["input"] = json.loads(blocks[-1]["toolUse"]["input"])
    return blocks


def _fold_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    else:
        reasoning = block.setdefault("reasoningContent", {"reasoningText": {}})["reasoningText"]
        for key, value in delta["reasoningContent"].items():
            reasoning[key] = reasoning.get(key, "") + value


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (CLAUDE, "anthropic"),
        (OLD_CLAUDE, "anthropic"),
        (NOVA, "amazon"),
        ("us-gov.amazon.nova-pro-v1:0", "amazon"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.meta.llama3-2-1b-instruct-v1:0", "meta"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456", "abcdef123456"),
        ("mistral:7b", "mistral"),
    ],
)
def test_families_are_read_from_ids(model: str, family: str) -> None:
    """With and without a geography, and behind an ARN."""
    assert model_family(model) == family
