"""The smallest backend says back what it hears, and says what it cannot."""

import pytest

import chatport
from chatport import Image, Usage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("text", ["Is anybody there?", " one\n two ", "\n", "", "a" * 10_000 + " " * 10_000])
async def test_text_comes_back_to_the_letter(text: str) -> None:
    """In pieces that together are the text."""
    async with chatport.open_session("echo:parrot", strict=True) as session, session.stream(text) as stream:
        assert "".join([piece async for piece in stream.text]) == text
    assert (stream.reply.model, stream.reply.stop_reason, stream.reply.adjustments) == ("parrot", "stop", ())


async def test_a_token_is_a_word() -> None:
    """The conversation counts as input, as with any service."""
    async with chatport.open_session("echo:any") as session:
        assert (await session.ask("one two")).usage == Usage(2, 2, total_tokens=4)
        assert (await session.ask("three")).usage == Usage(5, 1, total_tokens=6)


async def test_what_is_no_text_is_reported_or_refused() -> None:
    """A picture has no echo; nothing is dropped in silence."""
    picture = Image.from_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    async with chatport.open_session("echo:any") as session:
        reply = await session.ask("Look:", picture)
        assert reply.text == "Look:"
        assert [(item.kind, item.path) for item in reply.adjustments] == [("dropped", "messages[0].parts[1]")]
        with pytest.raises(chatport.UnsupportedError, match="only words"):
            await session.ask(picture, strict=True)
        assert len(session.messages) == 2


async def test_there_are_no_options() -> None:
    """A misspelt one, or one for another backend, is not ignored."""
    with pytest.raises(chatport.ConfigurationError, match="'region'"):
        await chatport.ask("echo:any", "?", backend_options={"region": "eu-west-1"})


async def test_a_schema_is_reported_or_refused() -> None:
    """An echo of JSON fits by luck; that nobody sees to it is said."""
    async with chatport.open_session("echo:any") as session:
        reply = await session.ask('{"value": [1, 2]}', output=list[int])
        assert reply.output == [1, 2]
        assert [(item.kind, item.path) for item in reply.adjustments] == [("dropped", "output_schema")]
        with pytest.raises(chatport.UnsupportedError, match="fits a schema"):
            await session.ask('{"value": [1, 2]}', output=list[int], strict=True)
