from imaxproxy.live.screen.plain import line
from live.samples import MEASURED, snapshot


def test_a_line_holds_what_people_ask_first() -> None:
    shown = snapshot(**MEASURED)
    said = line(shown)
    assert "\n" not in said
    for part in ("output tok/s", "requests/s", "in flight", "TTFT ms p50", "ITL ms p50", "done", "failed"):
        assert part in said
    assert "6,214 W" in said
    assert "$0.43/M output tok" in said
    assert "SLO 98.2 %" in said
    assert "SIMULATED" not in said


def test_what_is_simulated_or_not_valid_says_so() -> None:
    said = line(snapshot(meter={"valid": False, "reasons": ["x"]}))
    assert "SIMULATED" in said
    assert "METER NOT VALID" in said
    assert "None" not in said
