import pytest

from imaxproxy.load import IdleCap
from imaxproxy.traces import TraceRow


@pytest.mark.parametrize(
    ("longest_s", "offsets_s", "capped_s", "cut_s"),
    [
        (1, [0, 0.5, 1.5], [0, 0.5, 1.5], 0),
        (1, [0, 5, 5.5, 20], [0, 1, 1.5, 2.5], 17.5),
        (1, [3, None, 4], [1, None, 2], 2),
    ],
)
def test_gaps_are_cut_and_the_cut_is_counted(
    longest_s: float, offsets_s: list[float | None], capped_s: list[float | None], cut_s: float
) -> None:
    cap = IdleCap(longest_s)
    scheduled = [(None if at_s is None else round(at_s * 1e9), TraceRow(str(at_s))) for at_s in offsets_s]
    assert [None if at is None else at / 1e9 for at, _ in cap.gaps(scheduled)] == capped_s
    assert cap.cut_s == cut_s


def test_waits_are_cut_to_seconds_of_the_run() -> None:
    """Played twice as fast, 6 s of the trace are 3 s of the run."""
    cap = IdleCap(2, speed=2.0)
    rows = [TraceRow("a", delay_ms=3000.0), TraceRow("b", delay_ms=1000.0, tool_wait_ms=5000.0)]
    assert [row.wait_ms for row in cap.waits(rows)] == [3000.0, 4000.0]
    assert cap.cut_s == 1.0
