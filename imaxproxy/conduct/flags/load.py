"""The flags that say what is sent and when: the same for `replay` and `search`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import click

from imaxproxy.conduct.flags.seconds import seconds
from imaxproxy.errors import UsageError
from imaxproxy.load import IdleCap, LanePlan, Rules, Scheduled, by_arrivals, by_session_starts, by_trace, closed_loop
from imaxproxy.traces import TIME_UNITS_MS, LookAhead, TextSalt, TraceRow, arrivals_of, envelope_of, looped, within

CHECKED_ROWS = 20_000
"""So many rows are read before anything is sent: a broken line is found at once in most traces."""


@dataclass(frozen=True, slots=True)
class TraceRows:
    """One worker's reading of a trace: its first rows in hand, and how to open it again for another lap."""

    ahead: LookAhead
    again: Callable[[], Iterable[TraceRow]]


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent and when, as the flags say it."""

    speed: float = 1.0
    spread_ms: float = 0.0
    rate: float | None = None
    session_rate: float | None = None
    arrivals: str | None = None
    envelope: str | None = None
    concurrency: int | None = None
    ramp_s: float | None = None
    window_s: tuple[float, float] | None = None
    loop: bool = False
    duration_s: float | None = None
    timeout_s: float = 600.0
    retries: int = 0
    seed: int = 0
    lanes: int | None = None
    start_at: tuple[float, float] = (0.25, 0.75)
    lane_warmup: int = 1
    system_idle_s: float | None = None

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "Load":
        """Raises UsageError for flags that do not go together."""
        load = cls(
            speed=flags["speed"],
            spread_ms=flags["spread_ties"],
            rate=flags.get("rate"),
            session_rate=flags["session_rate"],
            arrivals=flags["arrivals"],
            envelope=flags["envelope"],
            concurrency=flags.get("concurrency"),
            ramp_s=flags["ramp"],
            window_s=_window(flags["window"]),
            loop=flags["loop"],
            duration_s=flags["duration"],
            timeout_s=flags["timeout"],
            retries=flags["retries"],
            seed=flags["seed"],
            lanes=flags.get("lanes"),
            start_at=_shares(flags.get("start_at") or "0.25:0.75"),
            lane_warmup=flags.get("lane_warmup") or 1,
            system_idle_s=flags["system_idle_cap"],
        )
        load.check()
        return load

    def check(self) -> None:
        """Raises UsageError for flags that do not go together."""
        open_rates = [rate for rate in (self.rate, self.session_rate) if rate is not None]
        if open_rates and self.concurrency is not None:
            raise UsageError("--rate is an open loop and --concurrency a closed one: give one of them")
        if len(open_rates) > 1:
            raise UsageError("--rate counts requests and --session-rate sessions: give one of them")
        if self.speed != 1.0 and (open_rates or self.concurrency is not None):
            raise UsageError("--speed plays the trace's own timestamps: leave it out with --rate or --concurrency")
        if self.arrivals is not None and not open_rates:
            raise UsageError("--arrivals says how the requests of a --rate come: leave it out without one")
        if self.envelope is not None and self.concurrency is not None:
            raise UsageError("--envelope changes a rate, and a closed loop has none: leave it out with --concurrency")
        if self.ramp_s is not None and self.concurrency is None:
            raise UsageError("--ramp opens the places of a --concurrency one by one: leave it out without one")
        if self.loop and self.duration_s is None:
            raise UsageError("--loop never ends: give a --duration as well")
        if self.lanes is not None:
            self._check_lanes(open_rates)
        for rate in open_rates:
            arrivals_of(self.arrivals or "poisson", rate, self.seed)
        if self.envelope is not None:
            envelope_of(self.envelope)

    def _check_lanes(self, open_rates: list[float]) -> None:
        if open_rates or self.concurrency is not None:
            raise UsageError("--lanes sets the load itself: leave --rate, --session-rate and --concurrency out")
        if self.duration_s is None:
            raise UsageError("--lanes begin anew for ever: give a --duration as well")
        for flag, is_given in (
            ("--window", self.window_s),
            ("--loop", self.loop),
            ("--envelope", self.envelope),
            ("--spread-ties", self.spread_ms),
        ):
            if is_given:
                raise UsageError(
                    f"{flag} shapes when requests come, and in --lanes they follow each other: leave it out"
                )

    def lane_plan(self, rows: Iterable[TraceRow]) -> LanePlan | None:
        """None without --lanes; else the trace is read once. Raises UsageError for one without sessions."""
        if self.lanes is None:
            return None
        plan = LanePlan(self.lanes, self.seed, self.start_at, self.lane_warmup - 1)
        plan.look(rows)
        return plan

    def rules(self) -> Rules:
        """What the player is told, all workers together."""
        return Rules(
            self.concurrency,
            self.duration_s,
            self.timeout_s,
            retries=self.retries,
            ramp_s=self.ramp_s or 0.0,
            system_idle_s=self.system_idle_s,
        )

    def scheduled(self, trace: TraceRows, idle_cap: IdleCap | None = None) -> Scheduled:
        """The whole schedule, drawn from the seed and nothing else."""
        rows = self._rows(trace)
        if idle_cap is None:
            return self._drawn(rows)
        return idle_cap.gaps(self._drawn(idle_cap.waits(rows)))

    def in_lanes(
        self, plan: LanePlan, again: Callable[[], Iterable[TraceRow]], salt: TextSalt, idle_cap: IdleCap | None = None
    ) -> tuple[Scheduled, Scheduled]:
        """What warms the caches up, and the schedule behind it, which has no end."""

        def read() -> Iterable[TraceRow]:
            return again() if idle_cap is None else idle_cap.waits(again())

        return ((0, row) for row in plan.warmups(read, salt)), plan.scheduled(read, salt, self.speed)

    def _drawn(self, rows: Iterable[TraceRow]) -> Scheduled:
        envelope = None if self.envelope is None else envelope_of(self.envelope)
        if self.concurrency is not None:
            return closed_loop(rows)
        if self.rate is not None:
            return by_arrivals(rows, arrivals_of(self.arrivals or "poisson", self.rate, self.seed), envelope)
        if self.session_rate is not None:
            arrivals = arrivals_of(self.arrivals or "poisson", self.session_rate, self.seed)
            return by_session_starts(rows, arrivals, envelope)
        return by_trace(rows, self.speed, self.spread_ms, self.seed, envelope)

    @property
    def by_time(self) -> bool:
        """The trace's own stamps say when its requests leave."""
        return not any(each is not None for each in (self.rate, self.session_rate, self.concurrency, self.lanes))

    def _rows(self, trace: TraceRows) -> Iterable[TraceRow]:
        laps = 0

        def lap() -> Iterable[TraceRow]:
            nonlocal laps
            laps += 1
            read = trace.ahead if laps == 1 else LookAhead.at(trace.again(), CHECKED_ROWS)
            rows = read.in_time_order() if self.by_time else read.in_file_order()
            return rows if self.window_s is None else within(rows, *self.window_s)

        return looped(lap) if self.loop else lap()


def _shares(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        shares = float(low), float(high)
    except ValueError:
        shares = 1.0, 0.0
    if not 0 <= shares[0] <= shares[1] < 1:
        raise UsageError(f"--start-at {text}: give LOW:HIGH, shares of a session from 0 to below 1, such as 0.25:0.75")
    return shares


def _window(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    start, colon, end = text.partition(":")
    try:
        window_s = float(start or 0), float(end or "inf")
    except ValueError:
        window_s = 1.0, 0.0
    if not colon or not 0 <= window_s[0] < window_s[1]:
        raise UsageError(f"--window {text}: give START_S:END_S, seconds of the trace")
    return window_s


LOAD_OPTIONS = [
    click.option(
        "--speed", default=1.0, show_default=True, help="Open loop: play the trace's timestamps X times as fast."
    ),
    click.option(
        "--spread-ties", default=0.0, metavar="MS", help="Width of the trace's ticks: spread equal stamps over it."
    ),
    click.option(
        "--session-rate",
        type=float,
        metavar="R",
        help="Open loop: R sessions/s start; later turns follow by themselves.",
    ),
    click.option(
        "--arrivals",
        metavar="KIND",
        help="Of a rate: poisson, constant, gamma:SHAPE, onoff:ON_S,OFF_S[,SHARE].  [default: poisson]",
    ),
    click.option(
        "--envelope",
        metavar="E",
        help="A factor on the rate over time: S:FACTOR,S:FACTOR,..., diurnal:PERIOD_S[,RATIO] or @FILE.",
    ),
    click.option("--ramp", type=seconds, metavar="S", help="Closed loop: open its places one by one over S seconds."),
    click.option("--window", metavar="A:B", help="Only what starts from second A to B of the trace; sessions whole."),
    click.option("--loop", is_flag=True, help="Begin anew at the trace's end, with new prompts, until --duration."),
    click.option(
        "--max-idle-gap",
        type=seconds,
        metavar="S",
        help="Cut waits of sessions and gaps of the schedule to S seconds.",
    ),
    click.option(
        "--system-idle-cap",
        type=seconds,
        metavar="S",
        help="When nothing has been in flight for S seconds, all that waits comes forward together.",
    ),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the trace's first N requests."),
    click.option("--duration", type=seconds, metavar="S", help="Send nothing after S seconds."),
    click.option(
        "--timeout",
        type=seconds,
        default=600.0,
        show_default=True,
        metavar="S",
        help="Give a request up after S seconds.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0, max=10),
        default=0,
        show_default=True,
        metavar="N",
        help="Try a request again that failed before its first token; every attempt is counted.",
    ),
    click.option(
        "--continuous-usage",
        is_flag=True,
        help="Ask for the token count with every event: exact where several share one, and of streams that are cut.",
    ),
    click.option("--cancel", metavar="P@X", help="Users who leave: 0.05@tokens=20 or 0.05@s=2."),
    click.option(
        "--history",
        type=click.Choice(["recorded", "live"]),
        default="recorded",
        show_default=True,
        help="What conversations go on with: the trace's answers, or the engine's.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1, max=256),
        default=1,
        show_default=True,
        metavar="N",
        help="Processes that share the schedule.",
    ),
    click.option("--seed", default=0, show_default=True, help="Of arrivals and of prompt texts."),
    click.option("--salt", help="Of prompt texts: one salt, one text.  [default: a new one, so that no cache is warm]"),
    click.option("--time-unit", type=click.Choice(list(TIME_UNITS_MS)), help="The stamps' unit, where it is odd."),
    click.option("--skip-bad", is_flag=True, help="Leave out and count broken lines instead of stopping at the first."),
]


LANE_OPTIONS = [
    click.option(
        "--lanes",
        type=click.IntRange(min=1, max=100_000),
        metavar="C",
        help="Agents: C session trees at work at any time, the first ones from their middle, until --duration.",
    ),
    click.option(
        "--start-at",
        metavar="LOW:HIGH",
        help="With --lanes: where in its session each lane begins.  [default: 0.25:0.75]",
    ),
    click.option(
        "--lane-warmup",
        type=click.IntRange(min=1, max=10_000),
        metavar="N",
        help="With --lanes: N turns of one token fill each lane's cache before the run.  [default: 1]",
    ),
]


def lane_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add them to a command."""
    for option in reversed(LANE_OPTIONS):
        command = option(command)
    return command


def load_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add them to a command."""
    for option in reversed(LOAD_OPTIONS):
        command = option(command)
    return command
