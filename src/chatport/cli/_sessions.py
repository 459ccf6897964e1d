"""`chatport sessions`: what is stored, seen, searched, exported, imported and deleted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import anyio

from chatport import ConflictError, SqliteStore, export_json_lines, export_markdown, import_json_lines
from chatport._store import checked_id
from chatport.cli._errors import CommandError
from chatport.cli._input import STANDARD_INPUT, standard_input
from chatport.cli._output import TextWriter, one_line, say, write_output
from chatport.cli._stores import store_path
from chatport.cli._tables import table_text

if TYPE_CHECKING:
    from chatport import SearchHit, SessionSummary, StoredSession
    from chatport.cli._commands import SessionsCommand

_LIST_HEADINGS = ("ID", "CHANGED", "TURNS", "MODEL", "TITLE")
_SEARCH_HEADINGS = ("ID", "TURN", "WORDS")


def run_sessions(command: SessionsCommand) -> int:
    """Do what is asked of the store and return the exit code.

    Raises:
        CommandError: There is no such session, there are too many words to look for, or a file cannot be imported.
        StoreError: The store cannot be read or written.
        OutputError: Standard output takes no more.
    """
    anyio.run(_run, command, store_path(command.store))
    return 0


async def _run(command: SessionsCommand, path: str) -> None:
    imported = await _read(command) if command.action == "import" else None  # before a file is made for nothing
    async with SqliteStore(path, create=imported is not None) as store:
        if imported is not None:
            await _import(store, imported, path)
            return
        match command.action:
            case "list":
                _write_list(await store.list_sessions(limit=command.limit), as_json=command.json)
            case "search":
                try:
                    hits = await store.search(" ".join(command.words), limit=command.limit)
                except ValueError as error:
                    raise CommandError(str(error)) from error
                _write_hits(hits, as_json=command.json)
            case "delete":
                if not await store.delete(command.words[0]):
                    raise _missing(command.words[0], path)
                say(f"deleted: {command.words[0]}")
            case _:
                session = await store.load(command.words[0])
                if session is None:
                    raise _missing(command.words[0], path)
                _write_session(session, command)


async def _read(command: SessionsCommand) -> StoredSession:
    source = command.words[0]
    try:
        data = standard_input().read() if source == STANDARD_INPUT else await anyio.Path(source).read_bytes()
        session = import_json_lines(data)
        return replace(session, id=checked_id(command.words[1])) if command.words[1:] else session
    except OSError as error:
        raise CommandError(f"cannot read {source!r}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{source!r} cannot be imported: {error}") from error


async def _import(store: SqliteStore, session: StoredSession, path: str) -> None:
    try:
        await store.append(session.id, session.turns, version=None, usage=session.usage)
    except ConflictError as error:
        hint = "`chatport sessions import FILE ID` gives it another name"
        raise CommandError(f"there is a session {session.id!r} in {path!r} already", hint=hint) from error
    say(f"imported: {session.id}")


def _missing(session: str, path: str) -> CommandError:
    return CommandError(f"there is no session {session!r} in {path!r}", hint="`chatport sessions list` shows them")


def _write_session(session: StoredSession, command: SessionsCommand) -> None:
    if command.action == "export":
        write_output(export_json_lines(session) if command.format == "jsonl" else export_markdown(session))
        return
    writer = TextWriter()  # a terminal must not be driven by what somebody has said
    writer.write(export_markdown(session))
    writer.end_line()


def _write_list(rows: tuple[SessionSummary, ...], *, as_json: bool) -> None:
    if as_json:
        write_output(json.dumps([_record(row) for row in rows]) + "\n")
    elif rows:
        cells = [
            (row.id, f"{row.updated_at.astimezone():%Y-%m-%d %H:%M}", str(row.turns), row.model or "-", row.title)
            for row in rows
        ]
        write_output(table_text([_LIST_HEADINGS, *cells]))
    else:
        write_output("no session is stored\n")


def _write_hits(hits: tuple[SearchHit, ...], *, as_json: bool) -> None:
    if as_json:
        records = [{"session": _record(hit.session), "turn": hit.turn, "excerpt": hit.excerpt} for hit in hits]
        write_output(json.dumps(records) + "\n")
    elif hits:
        cells = [(hit.session.id, str(hit.turn), one_line(hit.excerpt)) for hit in hits]
        write_output(table_text([_SEARCH_HEADINGS, *cells]))
    else:
        write_output("nothing is found\n")


def _record(row: SessionSummary) -> dict[str, Any]:
    return {**asdict(row), "created_at": row.created_at.isoformat(), "updated_at": row.updated_at.isoformat()}
