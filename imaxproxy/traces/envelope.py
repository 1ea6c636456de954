"""A rate that changes over the run: a factor on any schedule, as points in time or as a day's wave."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError

_PIECES = 1440
"""Straight pieces of one wave: a day's minutes."""
DIURNAL_RATIO = 9.85
"""Peak over trough of a day: 2.66 and 0.27 of the mean over 24 h of Bailian's R1 trace (ServeGen)."""
_HOW = "give S:FACTOR,S:FACTOR,..., diurnal:PERIOD_S[,PEAK_OVER_TROUGH], or @FILE with a line S,FACTOR each"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A factor on the rate, straight between points (time in s, factor). Two points at one time are a step.

    Before the first point the first factor holds, after the last one the last; or else the points repeat. A schedule is
    warped by it: where the factor is m, the schedule's own time passes m times as fast. So it goes with any arrivals,
    keeps their kind (a Poisson process becomes an inhomogeneous one), and 0 is a pause.
    """

    points: tuple[tuple[float, float], ...]
    repeats: bool = False

    def __post_init__(self) -> None:
        if not self.points:
            raise UsageError(f"--envelope has no points; {_HOW}")
        if any(later < sooner for (sooner, _), (later, _) in pairwise(self.points)) or self.points[0][0] < 0:
            raise UsageError("--envelope: its times must rise, from 0 s on")
        if any(not (factor >= 0 and math.isfinite(factor)) for _, factor in self.points):
            raise UsageError("--envelope: a factor is 0 or more")
        if not any(factor > 0 for _, factor in self.points):
            raise UsageError("--envelope: at least one factor must be above 0")

    def warp(self, offsets_ns: Iterator[int]) -> Iterator[int]:
        """The offsets under this envelope; they end where the factor is 0 for good."""
        pieces = self._pieces()
        piece, base_s = next(pieces), 0.0  # base_s: the schedule's own time at the piece's start
        for offset_ns in offsets_ns:
            own_s = offset_ns / NS_PER_S
            while piece.is_pause or own_s > base_s + piece.own_s:
                base_s += piece.own_s
                following = next(pieces, None)
                if following is None:
                    return
                piece = following
            yield round((piece.start_s + piece.at(own_s - base_s)) * NS_PER_S)

    def _pieces(self) -> Iterator["_Piece"]:
        first_s, first = self.points[0]
        if first_s > 0:
            yield _Piece(0.0, first_s, first, first)
        start_s = 0.0
        while True:
            for (begin_s, begin), (end_s, end) in pairwise(self.points):
                if end_s > begin_s:
                    yield _Piece(start_s + begin_s, end_s - begin_s, begin, end)
            start_s += self.points[-1][0]
            if not self.repeats:
                break
        last = self.points[-1][1]
        if last > 0:
            yield _Piece(start_s, math.inf, last, last)


@dataclass(frozen=True, slots=True)
class _Piece:
    start_s: float
    length_s: float
    begin: float
    end: float

    @property
    def is_pause(self) -> bool:
        return self.begin == self.end == 0

    @property
    def own_s(self) -> float:
        """How much of the schedule's own time passes in it: the area under the factor."""
        return self.length_s * (self.begin + self.end) / 2

    def at(self, own_s: float) -> float:
        """Seconds into the piece at which so much has passed: begin * x + slope * x^2 / 2 = own_s, solved for x."""
        slope = 0.0 if math.isinf(self.length_s) else (self.end - self.begin) / self.length_s
        root = math.sqrt(max(self.begin**2 + 2 * slope * own_s, 0.0))
        return min(2 * own_s / (self.begin + root), self.length_s) if own_s > 0 else 0.0


def diurnal(period_s: float, peak_over_trough: float = DIURNAL_RATIO) -> Envelope:
    """A day's wave, from trough to trough, with the mean 1.

        m(t) = exp(-b cos(2 pi t / period)) / mean,  b = ln(peak / trough) / 2

    The exponential of a cosine rather than a cosine: it never falls below 0, and its peak is sharper than its trough is
    deep, as in recorded days.
    """
    if not (period_s > 0 and math.isfinite(period_s)) or not (1 <= peak_over_trough < math.inf):
        raise UsageError("--envelope diurnal:PERIOD_S[,PEAK_OVER_TROUGH] needs a period above 0 and a ratio from 1 on")
    depth = math.log(peak_over_trough) / 2
    raw = [math.exp(-depth * math.cos(2 * math.pi * piece / _PIECES)) for piece in range(_PIECES + 1)]
    mean = (sum(raw) - raw[0]) / _PIECES
    points = tuple((period_s * piece / _PIECES, value / mean) for piece, value in enumerate(raw))
    return Envelope(points, repeats=True)


def envelope_of(text: str) -> Envelope:
    """Read what `--envelope` says. Raises UsageError."""
    try:
        if text.startswith("diurnal:"):
            return diurnal(*(float(number) for number in text.removeprefix("diurnal:").split(",")))
        pairs = _read_lines(Path(text[1:])) if text.startswith("@") else [pair.split(":") for pair in text.split(",")]
        return Envelope(tuple((float(time_s), float(factor)) for time_s, factor in pairs))
    except (ValueError, TypeError):
        raise UsageError(f"--envelope {text} cannot be read; {_HOW}") from None


def _read_lines(path: Path) -> list[list[str]]:
    try:
        return [line.split(",") for line in path.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise UsageError(f"--envelope @{path} cannot be read: {error.strerror}") from error
