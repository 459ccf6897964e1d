"""Anthropic's Messages API for chatport: what only this service has, typed.

The backend itself is asked for by name, `open_session("anthropic:…")`. Importing this loads nothing that speaks HTTP.
"""

from chatport_anthropic._typed_blocks import container_upload, search_result, text_document, tool_addition

__all__ = ["container_upload", "search_result", "text_document", "tool_addition"]
