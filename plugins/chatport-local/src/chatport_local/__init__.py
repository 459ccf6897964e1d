"""A language model in the process, for chatport: no account, no server.

The backend itself is asked for by name, `open_session("local:…")`. Importing this loads no engine.
"""
