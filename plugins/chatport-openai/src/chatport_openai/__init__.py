"""Chat Completions for chatport: OpenAI and every server that speaks its API.

The backend itself is asked for by name, `open_session("openai:…")`; what stands here are types for its options.
"""

from chatport_openai._request_options import OpenAIOptions, ServiceTier, Verbosity

__all__ = ["OpenAIOptions", "ServiceTier", "Verbosity"]
