from imaxproxy.load import Scheduled, by_arrivals, by_session_starts, by_trace, closed_loop
from imaxproxy.traces import Constant, Poisson, TraceRow, envelope_of


def rows(count: int) -> list[TraceRow]:
    return [TraceRow(f"r{number}", timestamp_ms=1000.0 + 10 * number) for number in range(count)]


def offsets_ms(scheduled: Scheduled) -> list[float | None]:
    return [None if offset_ns is None else offset_ns / 1e6 for offset_ns, _ in scheduled]


def test_the_traces_own_times_at_a_speed() -> None:
    assert offsets_ms(by_trace(rows(3), 2.0, 0.0, 0)) == [0, 5, 10]


def test_the_traces_own_times_under_an_envelope_keep_their_rows() -> None:
    scheduled = [(at_ns, row.request_id) for at_ns, row in by_trace(rows(3), 1.0, 0.0, 0, envelope_of("0:0.5"))]
    assert scheduled == [(0, "r0"), (20_000_000, "r1"), (40_000_000, "r2")]


def test_a_constant_rate() -> None:
    assert offsets_ms(by_arrivals(rows(3), Constant(100))) == [0, 10, 20]


def test_a_rate_under_an_envelope_ends_where_that_falls_to_nothing() -> None:
    assert offsets_ms(by_arrivals(rows(9), Constant(100), envelope_of("0:1,0.02:1,0.02:0"))) == [0, 10, 20]


def test_a_closed_loop_has_no_times() -> None:
    assert offsets_ms(closed_loop(rows(2))) == [None, None]


def test_one_seed_one_schedule() -> None:
    first, same, other = (offsets_ms(by_arrivals(rows(50), Poisson(10, seed))) for seed in (1, 1, 2))
    assert first == same != other
    assert first == sorted(first)  # type: ignore[type-var]


def test_sessions_start_at_a_rate_and_go_on_by_themselves() -> None:
    trace = [
        TraceRow("a1", session_id="a"),
        TraceRow("a2", session_id="a"),
        TraceRow("x"),
        TraceRow("b1", session_id="b"),
        TraceRow("sub", session_id="c", wait_for=("b1",)),
        TraceRow("b2", session_id="b"),
    ]
    starts = {row.request_id: at_ns for at_ns, row in by_session_starts(trace, Constant(1000))}
    assert starts == {"a1": 0, "a2": None, "x": 1_000_000, "b1": 2_000_000, "sub": None, "b2": None}
