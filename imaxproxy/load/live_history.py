"""Conversations that go on with what the engine has answered, in place of what the trace recorded."""

from dataclasses import replace
from typing import Any

from imaxproxy.traces import TraceRow


class LiveHistory:
    """Puts live answers before a session's later turns, and counts where that could not be done."""

    def __init__(self) -> None:
        self.turns = 0
        """Turns that were built on a live answer."""
        self.answers_missing = 0
        """Turns that should have been, but the engine had given no answer: the recorded one stands in."""

    def row(self, row: TraceRow, previous: str | None, answer: dict[str, Any] | None) -> TraceRow:
        """The row with the answer to the row before it. previous: that row's id, None for a session's first."""
        if row.messages_mode != "delta" or row.session_id is None:
            return row
        if previous is None:
            return replace(row, recorded={})
        if answer is None:
            self.answers_missing += 1
            return replace(row, recorded={})
        self.turns += 1
        own = list(row.messages)
        while own and own[0].get("role") == "assistant":  # the trace's own record of the same answer
            own.pop(0)
        return replace(row, messages=(answer, *own), recorded={})
