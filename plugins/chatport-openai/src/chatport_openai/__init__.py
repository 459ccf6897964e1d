"""Chat Completions for chatport: OpenAI and every server that speaks its API.

The backend itself is asked for by name, `open_session("openai:…")`.
"""
