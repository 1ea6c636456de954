"""Shares of one schedule become the run that one process would have made: bit for bit, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.metrics import Exchange, Histogram
from imaxproxy.power import Boundary, Device, PowerLine, PowerLog, PowerSample, read_power
from imaxproxy.runs import Manifest, RunDirectory, read_hlog, read_journal, summarize
from imaxproxy.runs.merge import Shares, open_shares
from runs.made_run import ZERO_NS, answered, refused
from runs.shared_run import make_share, make_whole, summary_of

RUN = [answered(0.2 * number, [10 + number % 7] * (3 + number % 5), ttft_ms=40 + number) for number in range(40)]
RUN[5] = refused(1.0, "r5")
_OF_THE_RUN = ("started_at", "trace", "shares")


def opened(paths: list[Path], *, allow_missing: bool = False, limit_share: float = 0.01) -> Shares:
    return open_shares(paths, allow_missing=allow_missing, limit_share=limit_share)


def encoded(run: RunDirectory) -> dict[str, str]:
    return {name: histogram.encode() for name, histogram in read_hlog(run.histograms).items()}


def merged(folder: Path, exchanges: list[Exchange], shifts_ns: list[int]) -> RunDirectory:
    """The exchanges dealt out in turn to as many shares as there are shifts, and merged."""
    of = len(shifts_ns)
    paths = [
        make_share(folder / f"share-{index}", index, of, exchanges[index::of], clock_shift_ns=shift_ns)
        for index, shift_ns in enumerate(shifts_ns)
    ]
    out = RunDirectory.create(folder / "merged", "merge")
    opened(list(reversed(paths))).merge(out)
    summarize(out)
    return out


@pytest.mark.parametrize("of", [1, 2, 4, 8])
def test_a_merge_is_the_run_of_one_process(tmp_path: Path, of: int) -> None:
    whole = make_whole(tmp_path / "whole", RUN, of)
    out = merged(tmp_path, RUN, [0, *((7919 + number) * 10**11 * (-1) ** number for number in range(1, of))])
    ours, theirs = summary_of(out), summary_of(whole)
    assert {k: v for k, v in ours.items() if k not in _OF_THE_RUN} == {
        k: v for k, v in theirs.items() if k not in _OF_THE_RUN
    }
    assert ours["shares"]["of"] == of
    assert encoded(out) == encoded(whole)


def test_the_merged_histograms_are_the_sum_of_the_shares(tmp_path: Path) -> None:
    out = merged(tmp_path, RUN, [0, 10**15])
    summed: dict[str, Histogram] = {}
    for index in (0, 1):
        share = RunDirectory(tmp_path / f"share-{index}")
        summarize(share)
        for name, histogram in read_hlog(share.histograms).items():
            summed.setdefault(name, Histogram()).merge(histogram)
    assert {name: histogram.encode() for name, histogram in summed.items()} == encoded(out)


@settings(max_examples=20)
@given(st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=6))
def test_every_exchange_is_there_once_with_its_durations(
    tmp_path_factory: pytest.TempPathFactory, shifts_ns: list[int]
) -> None:
    out = merged(tmp_path_factory.mktemp("merge"), RUN, shifts_ns)
    found = sorted(read_journal(out), key=lambda exchange: exchange.ask.started_ns)
    by_ns = shifts_ns[0]  # all are moved to the first one's clock
    assert [each.ask.request_id for each in found] == [each.ask.request_id for each in RUN]
    for mine, theirs in zip(found, RUN, strict=True):
        assert mine.timeline.gaps_ns() == theirs.timeline.gaps_ns()
        assert mine.ended_ns - by_ns == theirs.ended_ns


def two(folder: Path) -> list[Path]:
    return [make_share(folder / f"share-{index}", index, 2, RUN[index::2]) for index in (0, 1)]


def _edit(path: Path, change: Callable[[Manifest], Manifest]) -> None:
    run = RunDirectory(path)
    manifest = Manifest.read(run)
    assert manifest is not None
    change(manifest).write(run)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: replace(m, version="0.0.1"), "differ in their version of imaxproxy"),
        (lambda m: replace(m, settings=m.settings | {"seed": 8}), "differ in --seed"),
        (lambda m: replace(m, settings=m.settings | {"salt": "b"}), "differ in --salt"),
        (lambda m: replace(m, settings=m.settings | {"rate": 6.0}), "differ in --rate"),
        (lambda m: replace(m, trace=(m.trace or {}) | {"sha256": "0"}), "differ in their trace"),
        (lambda m: replace(m, trace=(m.trace or {}) | {"prompts": {"overhead_tokens": 3}}), "calibration of prompts"),
        (lambda m: replace(m, shares=[(m.shares or [])[0] | {"of": 3}]), "number of shares"),
        (lambda m: replace(m, shares=[(m.shares or [])[0] | {"start": {"unix_s": 1.0}}]), "start time"),
        (lambda m: replace(m, shares=None), "is a whole run"),
        (lambda m: replace(m, shares=(m.shares or []) * 2), "was merged already"),
        (lambda m: replace(m, shares=[(m.shares or [])[0] | {"index": 0, "workers": [0]}]), "files of worker 1"),
    ],
)
def test_what_is_not_one_schedule_is_refused(tmp_path: Path, change: Callable[[Manifest], Manifest], said: str) -> None:
    paths = two(tmp_path)
    _edit(paths[1], change)
    with pytest.raises(UsageError, match=said):
        opened(paths)


def test_a_share_twice_and_one_that_is_missing_are_refused(tmp_path: Path) -> None:
    paths = two(tmp_path)
    again = make_share(tmp_path / "again", 1, 2, RUN[1::2])
    with pytest.raises(UsageError, match="are both share 1/2"):
        opened([*paths, again])
    with pytest.raises(UsageError, match="1/2 are missing"):
        opened(paths[:1])


@pytest.mark.parametrize(("limit_share", "valid"), [(0.01, False), (0.5, True)])
def test_a_missing_share_is_named_and_makes_the_meter_invalid(tmp_path: Path, limit_share: float, valid: bool) -> None:
    out = RunDirectory.create(tmp_path / "merged", "merge")
    opened(two(tmp_path)[:1], allow_missing=True, limit_share=limit_share).merge(out)
    summary = summarize(out)
    assert summary["meter"]["valid"] is valid
    assert (summary["shares"]["lost"]["share"], summary["shares"]["lost"]["workers"]) == (0.5, [1])
    assert any("share 1/2" in reason for reason in summary["meter"]["reasons"]) is not valid


def test_the_gravest_end_is_the_runs(tmp_path: Path) -> None:
    ends = ("finished", "interrupted")
    paths = [make_share(tmp_path / str(i), i, 2, RUN[i::2], ended=ended) for i, ended in enumerate(ends)]
    out = RunDirectory.create(tmp_path / "merged", "merge")
    assert opened(paths).merge(out).ended == "interrupted"


@pytest.mark.parametrize("cut", [0, 1])
def test_a_share_that_was_killed_is_merged_when_asked_for_and_counts_as_lost(tmp_path: Path, cut: int) -> None:
    """It had not yet written what it learned of the trace and of the engine's prompts: the other one has."""
    paths = two(tmp_path)
    _edit(paths[cut], lambda m: replace(m, ended="killed", trace={"sha256": None, "format": "mooncake"}))
    with pytest.raises(UsageError, match=rf"share-{cut} \(share {cut}/2\) did not play to its end"):
        opened(paths)
    out = RunDirectory.create(tmp_path / "merged", "merge")
    manifest = opened(paths, allow_missing=True).merge(out)
    other = Manifest.read(RunDirectory(paths[1 - cut]))
    assert other is not None
    assert (manifest.ended, manifest.trace) == ("killed", other.trace)
    summary = summarize(out)
    assert summary["requests"]["sent"] == len(RUN)
    lost = summary["shares"]["lost"]
    assert (lost["share"], lost["workers"]) == (0.5, [cut])
    assert lost["who"] == f"share {cut}/2 (cut short: what it has is merged)"
    assert summary["meter"]["valid"] is False


def test_a_killed_share_of_another_schedule_is_refused_all_the_same(tmp_path: Path) -> None:
    paths = two(tmp_path)
    _edit(paths[1], lambda m: replace(m, ended="killed", settings=m.settings | {"seed": 8}))
    with pytest.raises(UsageError, match="differ in --seed"):
        opened(paths, allow_missing=True)


def test_a_line_that_a_kill_has_cut_is_left_out(tmp_path: Path) -> None:
    paths = two(tmp_path)
    journal = RunDirectory(paths[1]).journal(1)
    journal.write_bytes(journal.read_bytes()[:-20])
    out = RunDirectory.create(tmp_path / "merged", "merge")
    opened(paths).merge(out)
    assert len(list(read_journal(out))) == len(RUN) - 1


# Power and the engines' metrics ---------------------------------------------------------------------------------------


def _write_power(run: RunDirectory, lines: list[PowerLine]) -> None:
    with run.power.open("wb") as file:
        log = PowerLog(file)
        for line in lines:
            log.add(line)
        log.flush()


def test_power_is_moved_with_its_machine_and_a_board_counts_once(tmp_path: Path) -> None:
    shift_ns = 5 * 10**12
    paths = [
        make_share(tmp_path / f"share-{index}", index, 2, RUN[index::2], clock_shift_ns=index * shift_ns)
        for index in (0, 1)
    ]
    for index, path in enumerate(paths):
        at_ns = ZERO_NS + index * shift_ns + index * NS_PER_MS
        lines: list[PowerLine] = [
            Device("GPU-own" + str(index), "nvml", Boundary.BOARD, at_ns),
            Device("GPU-both", "dcgm", Boundary.BOARD, at_ns),
            Device("package-0", "rapl", Boundary.CPU_PACKAGE, at_ns),
        ]
        lines += [PowerSample(at_ns, each.device, power_w=100.0 + index) for each in lines if isinstance(each, Device)]
        _write_power(RunDirectory(path), lines)
    out = RunDirectory.create(tmp_path / "merged", "merge")
    opened(paths).merge(out)
    lines = list(read_power(out.power))
    samples = [(line.device, line.time_ns - ZERO_NS, line.power_w) for line in lines if isinstance(line, PowerSample)]
    assert samples == [
        ("GPU-own0", 0, 100.0), ("GPU-both", 0, 100.0), ("host0:package-0", 0, 100.0),
        ("GPU-own1", NS_PER_MS, 101.0), ("host1:package-0", NS_PER_MS, 101.0),
    ]  # fmt: skip
    assert {line.device: line.host for line in lines if isinstance(line, Device)}["GPU-own1"] == "host1"


def test_an_engine_that_two_shares_watched_is_told_once(tmp_path: Path) -> None:
    paths = two(tmp_path)
    for index, path in enumerate(paths):
        urls = ["http://both", f"http://own{index}"]
        head = {"schema": "imaxproxy.engine_metrics/1", "sources": [{"url": url} for url in urls]}
        rows = [head, *({"time_ns": ZERO_NS + index, "url": url} for url in urls)]
        RunDirectory(path).engine_metrics.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    out = RunDirectory.create(tmp_path / "merged", "merge")
    opened(paths).merge(out)
    head, *rows = [orjson.loads(line) for line in out.engine_metrics.read_bytes().splitlines()]
    assert [source["url"] for source in head["sources"]] == ["http://both", "http://own0", "http://own1"]
    assert [row["url"] for row in rows] == ["http://both", "http://own0", "http://own1"]
