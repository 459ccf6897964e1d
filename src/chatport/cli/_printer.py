"""A stream of events, printed as it comes."""

from __future__ import annotations

import time

from chatport import (
    Event,
    MessageStart,
    PartEnd,
    Reasoning,
    RetryStart,
    Text,
    TextDelta,
    ToolCall,
    ToolRunEnd,
    ToolRunStart,
)
from chatport.cli._output import TextWriter, say
from chatport.cli._report import describe_adjustment, describe_seconds


class ReplyPrinter:
    """Prints the text of one turn, and says what is no text.

    Attributes:
        pieces: How many pieces of text have come.
        first_piece: When the first of them came, by `time.perf_counter()`, or None.
    """

    def __init__(self) -> None:
        """Begin with nothing printed."""
        self.pieces = 0
        self.first_piece: float | None = None
        self._writer = TextWriter()
        self._streamed: set[int] = set()
        self._said: set[object] = set()

    def show(self, event: Event) -> None:
        """Print what an event brings.

        Raises:
            OutputError: Standard output takes no more.
        """
        match event:
            case TextDelta():
                self._streamed.add(event.index)
                self.write(event.text)
            case MessageStart():
                self._streamed.clear()
                self._say_adjustments(event)
            case PartEnd(part=Text(text=text)):
                if event.index not in self._streamed:
                    self.write(text)
            case PartEnd(part=Reasoning() | ToolCall()):
                pass  # thoughts are no answer; a call is shown when it runs, or says why the answer ends
            case PartEnd():
                self.end_line()
                say(f"the answer holds a part that is no text ({type(event.part).__name__}); --json shows it")
            case ToolRunStart() | ToolRunEnd():
                self.end_line()
            case RetryStart():
                self.end_line()
                say(f"attempt {event.attempt}, {describe_seconds(event.delay)} after this: {event.error}")
            case _:
                pass

    def write(self, text: str) -> None:
        """Print a piece of text.

        Raises:
            OutputError: Standard output takes no more.
        """
        if not text:
            return
        if self.first_piece is None:
            self.first_piece = time.perf_counter()
        self.pieces += 1
        self._writer.write(text)

    def end_line(self) -> None:
        """End the line, if one is begun.

        Raises:
            OutputError: Standard output takes no more.
        """
        self._writer.end_line()

    def _say_adjustments(self, start: MessageStart) -> None:
        # Every step of a turn translates the same history again, and so says the same of it again.
        for adjustment in start.adjustments:
            if adjustment not in self._said:
                self._said.add(adjustment)
                say(describe_adjustment(adjustment))
