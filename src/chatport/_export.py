"""A stored session as a text that leaves the house: JSON Lines for programs, Markdown for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chatport._serialize import dump_messages

if TYPE_CHECKING:
    from chatport._store import StoredSession

SCHEMA = "chatport.session"
VERSION = 1


def export_json_lines(session: StoredSession) -> str:
    """Return a session as JSON Lines: one about the session, then one for each turn.

    The first has `schema`, `version`, `id`, `title`, `turns` (how many), `usage`, `created_at` and `updated_at`; each
    of the others `turn` (from 0), `model`, `usage`, `created_at` and `messages`, in the form that `load_messages`
    reads, media included. `import_json_lines` reads the whole. Who has claimed calls at the end is not in it.

    Args:
        session: From `SessionStore.load`.
    """
    # Loaded by who exports something: it brings what the stores need.
    from chatport._stored_form import title_of, usage_text  # noqa: PLC0415

    head = {
        "schema": SCHEMA,
        "version": VERSION,
        "id": session.id,
        "title": title_of(session.messages),
        "turns": len(session.turns),
        "usage": json.loads(usage_text(session.usage)),
        "created_at": session.created_at.isoformat(),
        "updated_at": session.updated_at.isoformat(),
    }
    turns = (
        {
            "turn": number,
            "model": turn.model,
            "usage": json.loads(usage_text(turn.usage)),
            "created_at": turn.created_at.isoformat(),
            "messages": json.loads(dump_messages(turn.messages)),
        }
        for number, turn in enumerate(session.turns)
    )
    return "".join(f"{json.dumps(record, separators=(',', ':'))}\n" for record in (head, *turns))


def export_markdown(session: StoredSession) -> str:
    """Return a session as Markdown, to be read by people and by nothing else.

    Words stand as they were said; of media it says type and size. What only a service can read is left out.

    Args:
        session: From `SessionStore.load`.
    """
    from chatport._markdown import session_markdown  # noqa: PLC0415 - as above

    return session_markdown(session)
