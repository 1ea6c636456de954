import pickle

import orjson

from imaxproxy.proxy.merged import Gauges, Merged, Totals, stats
from proxy.test_prometheus import BUSY, MERGED, exchange, totals_of


def test_parts_that_were_handed_over_add_up_to_the_whole() -> None:
    """As workers do it: a part at a time, each through a socket."""
    exchanges = [exchange(10 * number, tags={"n": str(number % 3)}, client_retry=number % 2) for number in range(20)]
    merged = Totals()
    for at in range(0, 20, 5):
        merged.merge(pickle.loads(pickle.dumps(totals_of(*exchanges[at : at + 5]))))
    whole = totals_of(*exchanges)
    assert stats(Merged(merged, Gauges(), 0), None) == stats(Merged(whole, Gauges(), 0), None)


def test_stats_say_who_asked_what_was_repeated_and_how_the_meter_fares() -> None:
    said = stats(MERGED, None)
    assert (said["schema"], said["simulated"], said["in_flight"], said["connections"]) == (
        "imaxproxy.stats/1", False, 5, 9,
    )  # fmt: skip
    assert (said["requests"]["client_retries"], said["retried"]) == (1, {"stale_connection": 1})
    assert said["by_tag"]["team"]["x"]["tokens"]["output"] == 4
    assert said["by_client"]["red"]["ttft_ms"]["count"] == 1
    assert (said["meter"]["cpu_share"], said["meter"]["lost_lines"]) == (0.1, 2)
    assert [(each["worker"], each["fresh"]) for each in said["workers"]] == [(0, True), (3, False)]
    assert orjson.loads(orjson.dumps(said)) == said


def test_one_simulated_answer_marks_the_page() -> None:
    assert stats(Merged(BUSY, Gauges(), 0), {"simulated": True})["simulated"] is True
