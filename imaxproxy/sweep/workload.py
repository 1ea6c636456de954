"""What a sweep sends: a trace as it is, or a fixed shape whose number of requests follows the load."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaxproxy.sweep.point import CONCURRENCY

_REQUESTS_A_PLACE, _WARMUPS_A_PLACE = 10, 2
"""InferenceMAX's rule: 10 x concurrency requests after 2 x concurrency warm-ups."""
_RANGE_RATIO_LOW = 0.8
"""InferenceMAX's lengths are even on [0.8 L, L]."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One `[workload.NAME]`."""

    name: str
    trace: str
    """"" for a shape."""
    input_length: int = 0
    output_length: int = 0
    range_ratio_low: float = _RANGE_RATIO_LOW
    requests: int | None = None
    warmups: int | None = None
    seed: int = 0

    @classmethod
    def of(cls, name: str, table: Mapping[str, Any], folder: Path) -> "Workload":
        """folder: of the spec, where its traces may lie."""
        if "trace" not in table:
            return cls(name, "", **table)
        beside = folder / table["trace"]
        return cls(name, str(beside) if beside.exists() else table["trace"])

    @property
    def is_trace(self) -> bool:
        return bool(self.trace)

    def trace_at(self, folder: Path, by: str, amount: float, *, virtual: bool) -> tuple[str, tuple[Path, str] | None]:
        """What `replay` is given at this load, and the file that has to be written for it.

        In virtual time there are no warm-ups: nothing there is cold, and prompts share nothing.
        """
        if self.is_trace:
            return self.trace, None
        places = int(amount) if by == CONCURRENCY else 0
        requests = self.requests if self.requests is not None else _REQUESTS_A_PLACE * places
        warmups = self.warmups if self.warmups is not None else _WARMUPS_A_PLACE * places
        named = f"{self.name}-{places or requests}{'-virtual' if virtual else ''}.toml"
        lines = {
            "kind": '"fixed"',
            "seed": self.seed,
            "concurrency": places or 1,
            "requests": requests,
            "warmups": 0 if virtual else warmups,
            "input_length": self.input_length,
            "output_length": self.output_length,
            "range_ratio_low": float(self.range_ratio_low),
        }
        path = folder / "traces" / named
        return str(path), (path, "".join(f"{key} = {value}\n" for key, value in lines.items()))

    def work(self, amount: float, *, virtual: bool) -> float:
        """How long a point takes, roughly: in virtual time by its tokens, else by the tokens of one user."""
        each = self.output_length or 1
        return each * amount if virtual else each
