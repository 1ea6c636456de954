"""Streams that meters have been seen to misread (benchmarks/accuracy), seen by the player and by the proxy before it.

Each runs in a fraction of its time, and what no delay can change is asserted: counts, kinds, how streams ended, and
that nothing came before it was written. For the figures: `python -m benchmarks.accuracy --only imaxproxy --check`.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command, lines_of
from traces.test_tokenizer import saved

from benchmarks.accuracy.cases import CASES, Case
from benchmarks.accuracy.check import unwarned
from benchmarks.accuracy.engine import TRUTH, running
from benchmarks.accuracy.figures import Figures
from benchmarks.accuracy.meter import Trial
from benchmarks.accuracy.ours import replay_flags
from benchmarks.accuracy.truth import NS_PER_MS, TrueStream, read_truth
from imaxproxy.sim.words import WORDS
from imaxproxy.traces import shipped_words

BY_NAME = {case.name: case for case in CASES}
ENDINGS = {"error in mid-stream": "error_event", "cut stream": "cut", "stream without an end": "no_end"}


@dataclass(frozen=True)
class Seen:
    """A case as its engine, the player and the proxy have it."""

    case: Case
    truth: list[TrueStream]
    summaries: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, dict[str, Any]]]
    """Of each meter, by request."""


@pytest.fixture(scope="module", params=CASES, ids=BY_NAME)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    case, folder = request.param.quick(), tmp_path_factory.mktemp("case")
    command = Command(folder)
    try:
        with running(case, folder) as engine:
            serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "serve", "--json")
            flags = replay_flags(serving.url(), case, folder)
            played = command.run(*flags, "--out", "replay", "--json")
            assert played.code == (1 if case.name in ENDINGS else 0), played.err
            serving.send(signal.SIGTERM)
            served = serving.wait().check(0)
    finally:
        command.close()
    summaries = {"replay": played.json, "serve": served.json}
    return Seen(case, read_truth(folder / TRUTH, case.requests), summaries, {m: rows_of(folder / m) for m in summaries})


def rows_of(run: Path) -> dict[str, dict[str, Any]]:
    return {row["request_id"]: row for row in lines_of(run / "exchanges-0.jsonl") if row.get("dialect")}


def kinds_of(row: dict[str, Any]) -> str:
    """A letter for each token event: r, c or t."""
    return "".join(kind * events for kind, _, events in row["marks"])


METERS = pytest.mark.parametrize("meter", ["replay", "serve"])


@METERS
def test_each_stream_is_what_it_was(seen: Seen, meter: str) -> None:
    rows = seen.rows[meter]
    assert sorted(rows) == sorted(stream.request_id for stream in seen.truth)
    for stream in seen.truth:
        row = rows[stream.request_id]
        came_ns = list(accumulate(row["gaps_ns"], initial=row["first_token_ns"]))
        assert len(came_ns) == len(stream.tokens)
        assert all(came >= write for came, write in zip(came_ns, stream.row["write_ns"], strict=True))
        assert row["sent_ns"] <= came_ns[0]
        if stream.is_complete:
            assert row["outcome"] == "completed"
        else:
            assert (row["outcome"] != "completed", row["ending"]) == (True, ENDINGS[seen.case.name])


@METERS
def test_tokens_are_those_that_came_or_unknown(seen: Seen, meter: str) -> None:
    """An engine that says nothing of tokens, or that is cut off before it can, leaves them unknown: never guessed."""
    summary, rows = seen.summaries[meter], seen.rows[meter]
    says_usage = "never" not in seen.case.engine
    known = [stream for stream in seen.truth if stream.is_complete and says_usage]
    for stream in known:
        assert rows[stream.request_id]["usage"]["output_tokens"] == sum(stream.tokens)
    for stream in {each.request_id for each in seen.truth} - {each.request_id for each in known}:
        assert rows[stream]["counted_by"] == "events"
    total = sum(sum(stream.tokens) for stream in known)
    assert summary["tokens"]["output"] == (total if known else None)
    assert summary["tokens"]["uncounted_requests"] == len(seen.truth) - len(known)
    assert summary["itl_ms"]["count"] == sum(len(stream.token_gaps_ms) for stream in known)
    assert summary["ttft_ms"]["count"] == len(seen.truth)


@METERS
def test_how_streams_ended_is_counted(seen: Seen, meter: str) -> None:
    requests = seen.summaries[meter]["requests"]
    completed = sum(stream.is_complete for stream in seen.truth)
    assert (requests["sent"], requests["completed"]) == (seen.case.requests, completed)
    expected = {"complete": completed, ENDINGS.get(seen.case.name, ""): seen.case.requests - completed}
    assert {name: count for name, count in requests["by_ending"].items() if count} == {
        name: count for name, count in expected.items() if count
    }


@METERS
def test_kinds_of_tokens(seen: Seen, meter: str) -> None:
    for stream in seen.truth:
        kinds = kinds_of(seen.rows[meter][stream.request_id])
        first = stream.answer_from
        reasoning = len(kinds) if first is None else first
        spoken = "t" if seen.case.name == "tool call beside content" else "c"
        assert kinds == "r" * reasoning + spoken * (len(kinds) - reasoning)


@METERS
def test_a_stall_stays_in_the_tail(seen: Seen, meter: str) -> None:
    """Gaps are kept one by one; the longest of the truth is there."""
    gaps_ns = [gap for row in seen.rows[meter].values() for gap in row["gaps_ns"]]
    said_ms = seen.summaries[meter]["event_gap_ms"]["max"]
    assert said_ms == pytest.approx(max(gaps_ns) / NS_PER_MS, abs=0.002)
    if seen.case.name == "stall in mid-run":
        longest_ms = max(gap for stream in seen.truth for gap in stream.token_gaps_ms)
        assert longest_ms > 40 * seen.case.step_ms
        assert said_ms > 0.9 * longest_ms


def test_the_schedule_does_not_wait_for_the_engine(seen: Seen) -> None:
    """So that whoever came on time waited as long as the engine made him: no coordinated omission."""
    rows, every_s = seen.rows["replay"].values(), 1 / (seen.case.rate_per_s or 1)
    scheduled_ns = sorted(row["scheduled_ns"] for row in rows if "scheduled_ns" in row)
    assert len(scheduled_ns) == (seen.case.requests if seen.case.rate_per_s else 0)
    assert [after - before for before, after in pairwise(scheduled_ns)] == pytest.approx(
        [every_s * 1e9] * (len(scheduled_ns) - 1), abs=2
    )
    if scheduled_ns:
        last_ns = max(row["first_token_ns"] + sum(row["gaps_ns"]) - row["scheduled_ns"] for row in rows)
        said_ms = seen.summaries["replay"]["e2e_from_schedule_ms"]["max"]
        assert said_ms == pytest.approx(last_ns / NS_PER_MS, abs=0.002)


@pytest.mark.parametrize("name", ENDINGS)
def test_continuous_usage_tells_the_tokens_of_what_was_cut(name: str, tmp_path: Path) -> None:
    case, command = BY_NAME[name].quick(), Command(tmp_path)
    try:
        with running(case, tmp_path) as engine:
            flags = replay_flags(engine.url, case, tmp_path)
            played = command.run(*flags, "--continuous-usage", "--out", "replay", "--json")
    finally:
        command.close()
    tokens, truth = played.json["tokens"], read_truth(tmp_path / TRUTH, case.requests)
    assert tokens["output"] == sum(sum(stream.tokens) for stream in truth)
    assert (tokens["uncounted_requests"], tokens["counted_by"]) == (0, "continuous_usage")


def test_a_tokenizer_tells_tokens_where_the_engine_does_not(tmp_path: Path) -> None:
    """An engine that counts nothing, and cuts every fourth stream: what had come is counted all the same."""
    quick, command = BY_NAME["cut stream"].quick(), Command(tmp_path)
    case = replace(quick, engine=(*quick.engine, "--usage", "never"))
    words = saved(tmp_path, (*shipped_words()[:256], *(word.decode().strip() for word in WORDS)))
    try:
        with running(case, tmp_path) as engine:
            flags = replay_flags(engine.url, case, tmp_path)
            played = command.run(*flags, "--tokenizer", words, "--out", "replay", "--json")
        assert command.family() == []
    finally:
        command.close()
    tokens, truth = played.json["tokens"], read_truth(tmp_path / TRUTH, case.requests)
    assert tokens["output"] == sum(sum(stream.tokens) for stream in truth)
    assert (tokens["uncounted_requests"], tokens["counted_by"]) == (0, "tokenizer")
    assert played.json["itl_ms"]["count"] == sum(len(stream.token_gaps_ms) for stream in truth)


def trial(said: Figures, name: str = "cut stream") -> Trial:
    true = Figures(ttft_p50_ms=200.0, completed=30, failed=10, tokens=1750, tokens_per_s=364.0)
    return Trial(BY_NAME[name], "m", said, true, 1.0, 2.0)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Figures(ttft_p50_ms=203.9, completed=30, failed=10, tokens=1750, tokens_per_s=360.0), []),
        (Figures(completed=30), []),  # what it does not know
        (Figures(completed=40, failed=0), ["completed: 40 said, 30 true", "failed or cut: 0 said, 10 true"]),
        (Figures(ttft_p50_ms=205.0), ["TTFT p50, ms: 205 said, 200 true"]),
        (Figures(tokens=1500, tokens_per_s=312.0, remark="tokens of 10 unknown"), []),
        (Figures(tokens=1500), ["output tokens: 1500 said, 1750 true"]),
    ],
)
def test_a_figure_off_the_truth_is_named_unless_its_meter_doubts_it(said: Figures, wrong: list[str]) -> None:
    """What `python -m benchmarks.accuracy --check` goes by: within 2 % or 1 ms, and counts exactly."""
    assert unwarned([trial(said)]) == [f"cut stream: m: {line}" for line in wrong]
    assert unwarned([trial(replace(said, doubts="the loop was late"))]) == []
