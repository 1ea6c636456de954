import io
from typing import Any

from rich.console import Console

from imaxproxy.report import print_frontier

ONE = {"mean": 50.0, "low": 48.0, "high": 52.0}


def printed(result: dict[str, Any]) -> str:
    file = io.StringIO()
    print_frontier(Console(file=file, width=140, color_system=None), result)
    return file.getvalue()


def machine(name: str, simulated: bool) -> dict[str, Any]:
    point = {"load": "concurrency 4", "x": ONE, "y": ONE | {"low": None, "high": None}, "repeats": 3}
    return {"name": name, "simulated": simulated, "published": None, "frontier": [point], "dominated": [point]}


def test_points_error_bars_and_what_was_not_reached() -> None:
    text = printed(
        {
            "x": {"name": "interactivity", "unit": "tokens/s/user"},
            "y": {"name": "total_per_gpu", "unit": "tokens/s/GPU"},
            "window": "steady",
            "machines": [machine("gpt b200 vllm", simulated=True), machine("gpt h200 vllm", simulated=False)],
            "iso": [
                {
                    "x": 50.0,
                    "at": {"gpt b200 vllm": ONE, "gpt h200 vllm": None},
                    "advantage": {"gpt b200 vllm": ONE, "gpt h200 vllm": None},
                }
            ],
            "warnings": ["simulated runs beside measured ones"],
        }
    )
    assert "50.0 ± 2" in text
    assert "concurrency 4 (beaten)" in text
    assert "not reached" in text
    assert "h200 / b200" in text  # without the words that both have
    assert text.count("SIMULATED") == 1
    assert "b200 (sim)" in text
    assert "warning  simulated runs beside measured ones" in text
