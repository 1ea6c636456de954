"""An operating point that somebody else measured: whose, of when, on what, and what they found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.economics import Terms, gpu_kinds, usd_per_million_tokens
from imaxproxy.errors import ImaxproxyError, UsageError


@dataclass(frozen=True, slots=True)
class Baseline:
    """Drawn beside our own runs, with its source and day."""

    tool: str
    source: str
    """A run's address where the row has one, else the file."""
    as_of: str | None
    """YYYY-MM-DD; None where the file has no date."""
    facts: Mapping[str, Any]
    """`model`, `gpu`, `engine`, `precision`, `isl`, `osl`, ... as far as they are known."""
    load: str
    values: Mapping[str, float] = field(default_factory=dict)
    """By the names of `axes.AXES`; what the tool has not, or means otherwise, is left out."""
    simulated: bool = False

    @property
    def machine(self) -> str:
        """Whose curve it belongs to: other lengths are another curve."""
        words = [str(self.facts[key]) for key in ("model", "gpu", "engine", "precision") if self.facts.get(key)]
        if self.facts.get("spec_decoding") not in (None, "none"):
            words.append(str(self.facts["spec_decoding"]))
        if self.facts.get("disagg"):
            words.append("disagg")
        if self.facts.get("isl") and self.facts.get("osl"):
            words.append(f"{self.facts['isl']}/{self.facts['osl']}")
        return " ".join(words) or self.source.rpartition(":")[0] or self.source  # all lines of a file


class Row:
    """One object of somebody's file: reads its fields, and names file, place and field of what is wrong."""

    def __init__(self, fields: object, where: str) -> None:
        if not isinstance(fields, dict):
            raise ImaxproxyError(f"{where}: not a JSON object")
        self.fields, self.where = fields, where

    def number(self, name: str) -> float | None:
        """None where it is missing or null. Raises ImaxproxyError for what is no number, or is not finite."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise ImaxproxyError(f"{self.where}: {name} is no number: {value!r}")
        return float(value)

    def needed(self, name: str) -> float:
        """Raises ImaxproxyError where it is missing."""
        value = self.number(name)
        if value is None:
            raise ImaxproxyError(f"{self.where}: no {name}")
        return value

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        return None if value is None else str(value)


def known(values: Mapping[str, float | None]) -> dict[str, float]:
    """Without what is not known, and without zeros: no latency and no rate of a run is 0."""
    return {name: value for name, value in values.items() if value}


def gpu_kind(word: str | None) -> str | None:
    """b200 of b200, B200-SXM or b200-cw_0; the word itself where the table has no such GPU."""
    if word is None:
        return None
    plain = word.lower().replace("_", "-").split("-")[0]
    return plain if plain in gpu_kinds() else word


def with_costs(values: dict[str, float], gpu: str | None) -> dict[str, float]:
    """With USD and tokens/s a megawatt by the newest prices, as our own runs have; without where there are none."""
    if gpu is None or gpu not in gpu_kinds():
        return values
    try:
        paid = Terms().pay(gpu)
    except UsageError:
        return values
    more: dict[str, float | None] = {}
    for what in ("total", "output"):
        per_gpu = values.get(f"{what}_per_gpu")
        more[f"usd_{what}"] = usd_per_million_tokens(paid.usd_per_gpu_hour, per_gpu)
        if per_gpu is not None and paid.power is not None:
            facility_kw = paid.power.kw_per_gpu * Terms().facility(gpu).value
            more[f"{what}_per_mw"] = per_gpu * 1000 / facility_kw
    return values | known(more)
