"""Which runs of a catalogue somebody wants to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from imaxproxy.errors import UsageError
from imaxproxy.runs.catalogue import CatalogueEntry

_DAY = len("2026-11-26")


@dataclass(frozen=True, slots=True)
class Selection:
    """Each kind that is asked for has to fit; of several words of one kind, one has to. Case counts for nothing."""

    models: Sequence[str] = ()
    """Parts of a model's name."""
    gpus: Sequence[str] = ()
    """Whole names, or patterns with *: `b200` is no `gb200`."""
    engines: Sequence[str] = ()
    """Of the engine or of its recipe."""
    tags: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""

    def __contains__(self, entry: CatalogueEntry) -> bool:
        return (
            _fits([f"*{word}*" for word in self.models], [entry.model])
            and _fits(self.gpus, [entry.gpu])
            and _fits(self.engines, [entry.engine, entry.recipe])
            and _fits(self.tags, entry.tags)
            and self._in_time(entry)
        )

    def _in_time(self, entry: CatalogueEntry) -> bool:
        """A run that does not say when it was has no place between two days."""
        if self.since is None and self.until is None:
            return True
        try:
            at = _utc(datetime.fromisoformat(entry.started_at or ""))
        except ValueError:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def moment(text: str, flag: str, *, is_end: bool = False) -> datetime:
    """A day or a moment, ISO 8601, UTC unless it says otherwise. is_end: of a day its end.

    Raises UsageError for anything else.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} is a day or a moment, 2026-11-26 or 2026-11-26T14:30, not {text}") from None
    return _utc(at) + timedelta(days=1) if is_end and len(text) == _DAY else _utc(at)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _fits(patterns: Sequence[str], values: Sequence[str | None]) -> bool:
    return not patterns or any(
        fnmatchcase(value.lower(), pattern.lower()) for value in values if value is not None for pattern in patterns
    )
