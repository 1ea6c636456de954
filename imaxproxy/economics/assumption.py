"""One figure that a cost rests on: what it is, since when it holds, who says so."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Assumption:
    """Printed beside every cost that it went into."""

    name: str
    value: float
    unit: str
    as_of: str | None
    """The day for which the source gives it (2026-08-14, or 2026-06); None where no day is known."""
    source: str

    def as_dict(self) -> dict[str, object]:
        """A member of `assumptions` in the `cost` object of summary.json."""
        return asdict(self)

    def __str__(self) -> str:
        when = f", {self.as_of}" if self.as_of else ""
        return f"{self.name}: {self.value:,.10g} {self.unit} ({self.source}{when})"


def stated(name: str, value: float, unit: str, flag: str) -> Assumption:
    """One that the user gave: it holds for the run, so it has no day of its own."""
    return Assumption(name, value, unit, None, f"given by {flag}")
