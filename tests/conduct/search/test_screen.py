from typing import Any

from imaxproxy.conduct.search.screen import SearchScreen
from imaxproxy.live.snapshot import SCHEMA, Snapshot


class Hosted:
    """A screen that keeps what it is shown."""

    is_up = True

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []

    def show(self, snapshot: dict[str, Any]) -> None:
        self.shown.append(snapshot)


def summary(valid: bool = True) -> dict[str, Any]:
    rates = {"output_tokens_per_s_per_gpu": 900.0, "total_tokens_per_s_per_gpu": 1200.0}
    block = {"p50": 40.0, "p99": 60.0, "mean": 41.0}
    return {
        "throughput": rates,
        "windows": {"steady": None},
        **dict.fromkeys(("ttft_ms", "e2e_ms", "itl_ms", "tpot_ms", "tps_per_user"), block),
        "meter": {"valid": valid},
        "cost": None,
    }


def test_each_probe_says_how_it_stands() -> None:
    screen = SearchScreen(Hosted(), "requests/s", 20)  # type: ignore[arg-type]
    screen.begin(2.0)
    screen.end(summary(), "met, 99.5% of requests met it", met=True)
    screen.begin(4.0)
    screen.end(summary(valid=False), "missed, 80.0% of requests met it", met=False)
    screen.begin(2.83)
    told = screen.progress()
    assert (told["done"], told["of"], told["unit"]) == (2, None, "probes (at most 20)")
    assert [(row["name"], row["state"], row["reason"]) for row in told["points"]] == [
        ("2 requests/s", "met", "met, 99.5% of requests met it"),
        ("4 requests/s", "missed", "missed, 80.0% of requests met it; meter not valid"),
        ("2.83 requests/s", "playing", None),
    ]
    assert (told["points"][0]["total_tokens_per_s_per_gpu"], told["points"][0]["tps_per_user"]) == (
        1200.0,
        25.0,
    )  # 1 / TPOT


def test_without_a_screen_it_shows_nothing_and_keeps_count() -> None:
    screen = SearchScreen(None, "requests in flight", 3)
    screen.begin(1)
    screen.show({"schema": SCHEMA})
    assert not screen.is_up
    assert screen.progress()["points"][0]["name"] == "1 requests in flight"
    hosted = Hosted()
    SearchScreen(hosted, "requests/s", 3).show({"schema": SCHEMA, "source": "search"})  # type: ignore[arg-type]
    assert Snapshot.of(hosted.shown[0]).source == "search"
