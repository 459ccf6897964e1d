"""Anthropic's Messages API for chatport.

The backend itself is asked for by name, `open_session("anthropic:…")`.
"""
