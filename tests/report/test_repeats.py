import io
from typing import Any

from rich.console import Console

from imaxproxy.report import print_repeats
from imaxproxy.report.repeats import _SHOWN

FIGURE = {"count": 2, "mean": 20.0, "stdev": 1.0, "low": 11.0, "high": 29.0, "values": [19.3, 20.7]}


def printed(**changes: Any) -> str:  # noqa: ANN401
    result: dict[str, Any] = {
        "simulated": False, "runs": ["a", "b"], "window": "steady", "meter_valid": [True, True],
        "slo_met": [None, None], "figures": dict.fromkeys((name for name, _ in _SHOWN), FIGURE),
    }  # fmt: skip
    file = io.StringIO()
    print_repeats(Console(file=file, width=110, color_system=None), result | changes, "imax-runs/[x]")
    return file.getvalue()


def test_a_figure_with_its_interval_and_its_extremes() -> None:
    line = next(line for line in printed().splitlines() if "TTFT p50 ms" in line)
    assert line.split()[3:] == ["20.00", "11.00", "to", "29.00", "19.30", "20.70"]
    assert "SIMULATED" not in printed()
    assert "[x]" in printed()


def test_what_should_not_be_believed_or_was_not_met_is_said() -> None:
    text = printed(simulated=True, meter_valid=[True, False], slo_met=[True, False])
    assert "SIMULATED" in text
    assert "not valid in 1 of 2 runs" in text
    assert "SLO met in 1 of 2 runs" in text
