"""URLs, from the session to the body: rule 25 in whole."""

import base64
from typing import Any

import pytest
from tests.web_server import PNG, WebServer, answer

from chatport import Document, Image, Session
from chatport._url_media import UrlMedia
from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.anyio


async def test_rule_25_the_body_holds_what_the_url_led_to() -> None:
    """The service gets bytes with the type that they show; the name of a document is the file's."""
    answers = {"/cat": answer(PNG), "/a/report.md": answer(b"# Report\n", Content_Type="text/plain")}
    backend = BedrockBackend(region="us-east-1", api_key="made-up")
    with WebServer(answers) as server:
        session = Session(backend, "us.amazon.nova-lite-v1:0")
        session._media = UrlMedia(server.fetcher())
        preview = await session.preview(
            "What is this?", Image.from_url(server.url("/cat")), Document.from_url(server.url("/a/report.md"))
        )
    content: list[dict[str, Any]] = preview.request["messages"][0]["content"]
    assert {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}} in content
    (document,) = [block["document"] for block in content if "document" in block]
    assert document["format"] == "md"
    assert document["name"].startswith("report")
    await backend.aclose()
