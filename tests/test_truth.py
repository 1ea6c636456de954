"""What is reported is what happened: a simulated engine writes down when it wrote each token, the meter when it came.

Both stamp with one clock. A shared machine delays either process at will, so the quick tests assert what no delay can
break, and that a meter which was delayed says so; the slow ones hold the figures of a whole load.
"""

import json
import signal
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest
from cli.command import Command, lines_of, write_trace

NS_PER_MS = 1e6
CLOSE_MS = 1.0
CLOSE_SHARE = 0.02


@dataclass(frozen=True)
class Stream:
    """One request as its engine and as the meter saw it; `_ns` on one clock."""

    truth: dict[str, Any]
    reported: dict[str, Any]

    @property
    def came_ns(self) -> list[int]:
        return list(accumulate(self.reported["gaps_ns"], initial=self.reported["first_token_ns"]))

    @property
    def true_ttft_ms(self) -> float:
        """From the request's first byte at the engine to its first token on the socket."""
        return float((self.truth["written_ns"][0] - self.truth["t_first_byte_in_ns"]) / NS_PER_MS)

    @property
    def ttft_ms(self) -> float:
        return float((self.came_ns[0] - self.reported["sent_ns"]) / NS_PER_MS)

    @property
    def true_gaps_ms(self) -> list[float]:
        return [(b - a) / NS_PER_MS for a, b in pairwise(self.truth["written_ns"])]


def directly(command: Command, *flags: object) -> tuple[dict[str, Any], list[Stream]]:
    """A replay against the simulated engine; the player is the meter."""
    flags = ("replay", "trace.jsonl", "--engine", "fixed-5ms", "--simulate", "--out", "run", "--json", *flags)
    summary = command.run(*flags).check(0).json
    return summary, joined(command.folder / "run", command.folder / "run")


def through_the_proxy(command: Command, *flags: object) -> tuple[dict[str, Any], list[Stream]]:
    """The same load, sent through `serve`; the proxy is the meter."""
    serve = ("serve", "--engine", "fixed-5ms", "--simulate", "--port", 0, "--out", "proxy", "--json")
    serving = command.start(*serve)
    url = serving.url()
    command.run("replay", "trace.jsonl", "--url", url, "--calibrate", "never", "--out", "run", *flags).check(0)
    serving.send(signal.SIGTERM)
    return serving.wait().check(0).json, joined(command.folder / "proxy", command.folder / "proxy")


METERS = pytest.mark.parametrize("measure", [directly, through_the_proxy])


def joined(engine: Path, meter: Path) -> list[Stream]:
    truths = {row["request_id"]: row for row in lines_of(engine / "engine-truth.jsonl")}
    rows = [row for row in lines_of(meter / "exchanges-0.jsonl") if row.get("dialect")]
    assert sorted(truths) == sorted(row["request_id"] for row in rows)
    return [Stream(truths[row["request_id"]], row) for row in rows]


@METERS
def test_tokens_are_exact_and_no_event_comes_before_it_was_written(measure: Any, command: Command) -> None:  # noqa: ANN401
    write_trace(command.folder / "trace.jsonl", 20, output_length=40)
    summary, streams = measure(command, "--rate", 40)
    assert len(streams) == 20
    assert summary["requests"]["completed"] == 20
    assert summary["tokens"]["output"] == sum(stream.truth["osl"] for stream in streams) == 800
    assert summary["tokens"]["input"] == sum(stream.truth["isl"] for stream in streams)
    for stream in streams:
        truth, reported = stream.truth, stream.reported
        assert [reported["usage"][key] for key in ("input_tokens", "output_tokens")] == [truth["isl"], truth["osl"]]
        assert len(stream.came_ns) == len(truth["written_ns"]) == 40
        assert all(came >= write for came, write in zip(stream.came_ns, truth["write_ns"], strict=True))
        assert reported["started_ns"] <= truth["t_first_byte_in_ns"] <= stream.came_ns[0]
        assert reported["sent_ns"] <= stream.came_ns[0]
    gaps_ms = [gap_ms for stream in streams for gap_ms in stream.true_gaps_ms]
    assert summary["itl_ms"]["count"] == len(gaps_ms)
    assert close(summary["itl_ms"]["p50"], median(gaps_ms)) or not summary["meter"]["valid"]


@METERS
def test_what_is_summed_up_is_what_the_journal_says(measure: Any, command: Command) -> None:  # noqa: ANN401
    write_trace(command.folder / "trace.jsonl", 10, output_length=10)
    summary, streams = measure(command)
    assert close(summary["ttft_ms"]["max"], max(stream.ttft_ms for stream in streams), ms=0.01, share=0.002)
    assert close(summary["ttft_ms"]["min"], min(stream.ttft_ms for stream in streams), ms=0.01, share=0.002)
    gaps_ms = [gap / NS_PER_MS for stream in streams for gap in stream.reported["gaps_ns"]]
    assert close(summary["itl_ms"]["max"], max(gaps_ms), ms=0.01, share=0.002)
    assert close(summary["itl_ms"]["mean"], sum(gaps_ms) / len(gaps_ms), ms=0.01, share=0.002)


@pytest.mark.slow
@METERS
def test_two_hundred_streams_at_once(measure: Any, command: Command) -> None:  # noqa: ANN401
    """TTFT and ITL, median and tail, as reported and as they were; or the meter says that it was not to be believed."""
    write_trace(command.folder / "trace.jsonl", 1000, output_length=200)
    summary, streams = measure(command, "--rate", 200)
    assert len(streams) == 1000
    meter = summary["meter"]
    off = [
        f"{metric} {name}: {reported:.3f} ms reported, {true:.3f} true"
        for metric, truths in (
            ("ttft_ms", [stream.true_ttft_ms for stream in streams]),
            ("itl_ms", [gap_ms for stream in streams for gap_ms in stream.true_gaps_ms]),
        )
        for name, true in (("p50", median(truths)), ("p99", quantiles(truths, n=100)[98]))
        if not close(reported := summary[metric][name], true)
    ]
    print(json.dumps({"off": off, "meter": meter}, indent=1))
    if meter["valid"]:
        assert off == []
    else:
        assert meter["reasons"]


def close(reported: float, true: float, ms: float = CLOSE_MS, share: float = CLOSE_SHARE) -> bool:
    """Within so many ms or such a share, whichever is more."""
    return abs(reported - true) <= max(ms, share * true)
