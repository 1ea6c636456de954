from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import ANSWER, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, Window, mark
from imaxproxy.runs.timeslices import MOST_SLICES, Timeslices


def exchange(sent_s: float, tokens_s: list[float], dialect: str | None = "chat") -> Exchange:
    times_ns = [round(at_s * NS_PER_S) for at_s in tokens_s]
    ask = Ask("r", "/", round(sent_s * NS_PER_S), sent_ns=round(sent_s * NS_PER_S), dialect=dialect)
    return Exchange(
        ask, Outcome.COMPLETED, times_ns[-1], streamed=True, usage=Usage(5, len(times_ns)),
        counted_by=CountedBy.USAGE, timeline=Timeline(times_ns, [mark(ANSWER, 1)] * len(times_ns)),
    )  # fmt: skip


def test_requests_by_their_send_and_tokens_by_their_arrival() -> None:
    slices = Timeslices(Window(0, 3 * NS_PER_S + 1), 1.0)
    slices.add(exchange(0.5, [0.9, 1.2, 2.2]))
    slices.add(exchange(2.0, [2.5, 3.0]))
    slices.add(exchange(2.0, [2.5], dialect=None))
    parts = slices.stats()
    assert [part["start_s"] for part in parts] == [0, 1, 2, 3]
    assert [part["requests"]["sent"] for part in parts] == [1, 0, 1, 0]
    assert [part["throughput"]["output_tokens_per_s"] for part in parts[:3]] == [1, 1, 2]
    assert [round(part["in_flight"], 6) for part in parts[:3]] == [0.5, 1, 1.2]
    assert parts[0]["ttft_ms"]["count"] == 1
    assert parts[0]["ttft_ms"]["p50"] is not None


def test_a_long_run_gets_longer_slices_instead_of_endless_ones() -> None:
    parts = Timeslices(Window(0, 10_000 * NS_PER_S), 0.001).stats()
    assert len(parts) == MOST_SLICES
    assert parts[0]["end_s"] == 5
