"""However a run's exchanges lie in journals, and whoever sums them up: the summary is the same in every field."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import (
    ANSWER,
    REASONING,
    TOOL,
    WARMUP,
    Ask,
    CountedBy,
    EngineTiming,
    Exchange,
    Flag,
    Grid,
    HealthSample,
    Outcome,
    Timeline,
    Trim,
    Usage,
    mark,
)
from imaxproxy.power import PowerLog, TickPrices
from imaxproxy.runs import Journal, Manifest, RunDirectory, share_record, summarize
from imaxproxy.runs.energy_shares import EnergyShares
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.partial_sums import Counting, PartialSums
from imaxproxy.runs.summing import JournalSummer, Progress, Summer
from runs.made_run import ENGINE, UNIX_S, ZERO_NS, steady_power

SETTINGS: dict[str, Any] = {"slo": "ttft_ms<200,tpot_ms<20@p50", "slice": 0.7}
CLOCK = {"source": "CLOCK_MONOTONIC", "monotonic_ns": ZERO_NS, "unix_s": UNIX_S}
START = {"by": "exchange", "error_ms": 0.2}


class Machines:
    """What a command is to several machines that hold journals of a run: their answers come in any order."""

    def __init__(self, summers: Sequence[Summer], rng: random.Random) -> None:
        self._summers, self._rng = list(summers), rng
        self.progress: Progress = lambda _: None

    def _asked(self) -> list[Summer]:
        self._rng.shuffle(self._summers)
        return self._summers

    def outline(self, trim: Trim) -> Outline:
        whole = Outline(trim)
        for each in self._asked():
            whole.merge(each.outline(trim).extent())
        return whole

    def busy(self, grid: Grid) -> Sequence[int]:
        return [sum(each) for each in zip(*(each.busy(grid) for each in self._asked()), strict=True)]

    def sums(self, counting: Counting) -> PartialSums:
        whole = PartialSums(counting)
        for each in self._asked():
            whole.merge(each.sums(counting))
        return whole

    def energy(self, prices: TickPrices) -> Iterator[EnergyShares]:
        for each in self._asked():
            yield from each.energy(prices)


def exchange(rng: random.Random, number: int) -> Exchange:
    """Anything that a journal may hold; tags, upstreams and clients are more than are told apart."""
    started_ns = ZERO_NS + rng.randrange(8 * NS_PER_S)
    sent_ns = None if rng.random() < 0.05 else started_ns + rng.randrange(NS_PER_MS)
    at_ns, times_ns = (sent_ns or started_ns) + rng.randrange(300 * NS_PER_MS), []
    for _ in range(rng.choice([0, 1, 2, 5, 30])):
        times_ns.append(at_ns)
        at_ns += rng.choice([0, rng.randrange(50 * NS_PER_MS)])
    several = rng.random() < 0.3
    marks = [mark(rng.choice([REASONING, ANSWER, TOOL]), rng.choice([0, 1, 2, 9]) if several else 1) for _ in times_ns]
    counted_by = rng.choice(list(CountedBy))
    counted = counted_by is not CountedBy.EVENTS
    outcome = rng.choices(list(Outcome), [8, 1, 1, 1])[0]
    given, tagged = rng.choice([None, rng.randrange(2000)]), rng.random() < 0.5
    ask = Ask(
        f"r{number}",
        "/v1/chat/completions",
        started_ns,
        sent_ns,
        rng.choice([None, started_ns - rng.randrange(NS_PER_MS)]),
        dialect=None if rng.random() < 0.05 else "chat",
        upstream=rng.choice([None, f"http://{rng.randrange(80)}"]),
        client=rng.choice([None, f"key{rng.randrange(70)}"]),
        tags={rng.choice([f"tag{rng.randrange(20)}", "other"]): f"v{rng.randrange(80)}"} if tagged else None,
        planned_input_tokens=rng.choice([None, 1000]),
        attempt=rng.choice([None, 1]),
        kind=WARMUP if rng.random() < 0.03 else None,
    )
    return Exchange(
        ask,
        outcome,
        at_ns + rng.randrange(NS_PER_MS),
        error=None if outcome is Outcome.COMPLETED else rng.choice(["cut", "http_500", "stopped"]),
        streamed=bool(times_ns) or rng.random() < 0.5,
        model=rng.choice([None, f"model-{rng.randrange(90)}"]),
        usage=Usage(given, rng.choice([None, 40]), None, rng.choice([None, 7])),
        timing=EngineTiming(rng.uniform(1, 99), rng.uniform(1, 9)) if rng.random() < 0.4 else None,
        counted_by=counted_by,
        timeline=Timeline(times_ns, marks if counted else [each & 3 for each in marks], counted=counted),
        flags=tuple(rng.sample(list(Flag), rng.randrange(3))),
        coalesced_events=rng.randrange(2),
    )


def health(rng: random.Random, workers: int) -> list[HealthSample]:
    return [
        HealthSample(worker, ZERO_NS + second * NS_PER_S, NS_PER_S, rng.randrange(NS_PER_S), {rng.randrange(3000): 51})
        for worker in range(workers)
        for second in range(9)
    ]


def write(
    path: Path, exchanges: Sequence[Exchange], samples: Sequence[HealthSample], workers: int, *, shares: bool = False
) -> RunDirectory:
    """A run whose exchanges were played by so many workers in turn, and whose power was measured."""
    path.mkdir(parents=True)
    run = RunDirectory(path)
    journals = [Journal(run, worker) for worker in range(workers)]
    for number, each in enumerate(exchanges):
        journals[number % workers].add(each)
    for sample in samples:
        journals[sample.worker % workers].add_health(sample)
    for journal in journals:
        journal.close()
    with run.power.open("wb") as file:
        log = PowerLog(file)
        for line in steady_power(until_s=12.0):
            log.add(line)
        log.flush()
    records = [share_record(i, workers, [i], ZERO_NS, START) for i in range(workers)] if shares else None
    at = "2026-11-26T08:00:00+00:00"
    Manifest("replay", [], SETTINGS, ENGINE, shares=records, ended="finished", started_at=at, clock=CLOCK).write(run)
    return run


def found(run: RunDirectory) -> tuple[bytes, bytes, list[bytes]]:
    """All that summing up wrote; which line of `energy.jsonl` comes first is not said."""
    shares = run.energy.read_bytes().splitlines() if run.energy.exists() else []  # a run of nothing has none
    return run.summary.read_bytes(), run.histograms.read_bytes(), sorted(shares)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 200), st.integers(1, 5), st.integers(300, 20_000))
def test_the_sum_of_any_pieces_on_any_machines_is_what_one_process_makes_of_all(
    tmp_path_factory: pytest.TempPathFactory, seed: int, requests: int, workers: int, piece_bytes: int
) -> None:
    rng, path = random.Random(seed), tmp_path_factory.mktemp("summing")
    exchanges = [exchange(rng, number) for number in range(requests)]
    run = write(path / "run", exchanges, health(rng, workers), workers, shares=True)
    with JournalSummer(run, processes=1, piece_bytes=1 << 30) as summer:
        summarize(run, summer=summer)
    whole = found(run)
    with JournalSummer(run, processes=1, piece_bytes=piece_bytes) as summer:
        summarize(run, summer=summer)
    assert found(run) == whole
    machines = []
    for worker in range(workers):
        machine = RunDirectory(path / f"machine-{worker}")
        machine.path.mkdir()
        for file in (run.journal(worker), run.meter(worker)):
            file.rename(machine.path / file.name)
        machines.append(JournalSummer(machine, processes=1, piece_bytes=piece_bytes))
    summarize(run, summer=Machines(machines, rng))
    assert found(run) == whole


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(2, 5))
def test_journals_of_several_workers_are_those_of_one_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, requests: int, workers: int
) -> None:
    rng, path = random.Random(seed), tmp_path_factory.mktemp("summing")
    exchanges = [exchange(rng, number) for number in range(requests)]
    samples = health(rng, workers)
    one = write(path / "one", exchanges, samples, 1)
    summarize(one)
    rng.shuffle(exchanges)
    several = write(path / "several", exchanges, samples, workers)
    summarize(several)
    assert found(several) == found(one)


def test_several_processes_say_what_one_says(tmp_path: Path) -> None:
    rng = random.Random(5)
    run = write(tmp_path / "run", [exchange(rng, number) for number in range(300)], health(rng, 2), 2)
    summarize(run)
    alone, heard = found(run), list[float]()
    with JournalSummer(run, processes=2, piece_bytes=20_000) as summer:
        summarize(run, summer=summer, progress=heard.append)
    assert found(run) == alone
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert len(heard) > 10


def test_a_broken_line_is_named_whoever_reads_it(tmp_path: Path) -> None:
    rng = random.Random(5)
    run = write(tmp_path / "run", [exchange(rng, number) for number in range(200)], [], 1)
    lines = run.journal(0).read_bytes().splitlines(keepends=True)
    lines[150] = b'{"request_id": 7}\n'
    run.journal(0).write_bytes(b"".join(lines))
    for processes in (1, 2):
        with (
            pytest.raises(ImaxproxyError, match=r"exchanges-0\.jsonl:151: not a journal line"),
            JournalSummer(run, processes=processes, piece_bytes=10_000) as summer,
        ):
            summarize(run, summer=summer)


def test_what_another_machine_is_told_does_not_grow_with_the_requests(tmp_path: Path) -> None:
    import pickle

    rng, sizes = random.Random(3), []
    for requests in (200, 1000):
        exchanges = [replace(exchange(rng, number), timing=None) for number in range(requests)]
        run = write(tmp_path / str(requests), exchanges, [], 1)
        with JournalSummer(run) as summer:
            sizes.append(len(pickle.dumps(summer.outline(Trim()).extent())))
    assert sizes[1] < 3 * sizes[0]  # histograms fill up
