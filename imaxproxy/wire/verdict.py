"""How an answer ended, from what was read of it and how its connection ended."""

from dataclasses import dataclass

from imaxproxy.errors import WireError
from imaxproxy.metrics import Outcome
from imaxproxy.wire.dialect import Facts

CUT_SHORT = frozenset({"cut", "reset"})
"""Ways in which a connection ends an answer before its time, as the timeouts do; other WireErrors mean bytes that
nobody can read."""
CUT_BY_ENGINE = frozenset({"abort", "error", "cancelled", "content_filter", "refusal"})
"""Finish reasons that are no end of an answer: the engine gave the request up itself."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the bytes of an answer showed."""

    facts: Facts
    refused: int | None
    """The status, where it says that this is no answer."""
    streamed: bool
    events_read: int
    """In full."""
    malformed: str | None
    """What of it could not be read, and why."""
    unread: str | None
    """Why none of it could: its encoding."""


def judge(seen: Evidence, broken: WireError | None, aborted: str | None) -> tuple[Outcome, str | None, str | None]:
    """(outcome, the name it is counted under, a line for people). `broken` and `aborted` as in `Reception.close`."""
    facts = seen.facts
    if seen.refused is not None:
        return Outcome.FAILED, f"http_{seen.refused}", facts.error
    if facts.error is not None:
        return Outcome.FAILED, "error_event" if seen.streamed else "error_body", facts.error
    if aborted is not None:
        return Outcome.ABORTED, aborted, None
    if seen.malformed is not None and (not seen.events_read if seen.streamed else broken is None):
        return Outcome.FAILED, "malformed_event" if seen.streamed else "malformed_body", seen.malformed
    if broken is not None:
        cut_short = broken.kind in CUT_SHORT or "timeout" in broken.kind
        return Outcome.TRUNCATED if cut_short else Outcome.FAILED, broken.kind, str(broken)
    if seen.unread:
        return Outcome.COMPLETED, None, seen.unread
    if seen.streamed and not facts.finish_reason:
        return Outcome.TRUNCATED, "no_finish_reason" if facts.done else "no_end", seen.malformed
    if seen.streamed and facts.unfinished:
        return Outcome.TRUNCATED, "no_finish_reason", f"choices {sorted(facts.unfinished)} have no end"
    if facts.finish_reason in CUT_BY_ENGINE:
        return Outcome.TRUNCATED, f"finish_{facts.finish_reason}", None
    return Outcome.COMPLETED, None, seen.malformed
