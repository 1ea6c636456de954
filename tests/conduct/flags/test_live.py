import json
import re
import signal
import urllib.request
from typing import Any

import pytest
from cli.command import Command, until, write_trace

from imaxproxy.conduct.flags.live import check_live_port
from imaxproxy.errors import UsageError


def test_a_replay_is_watched_while_it_runs(command: Command) -> None:
    trace = write_trace(command.folder / "t.jsonl", 300, output_length=100)
    flags = ("--concurrency", 8, "--workers", 2, "--slo", "ttft_ms<60000", "--live-port", 0, "--json", "--out", "run")
    playing = command.start("replay", trace, "--engine", "fixed-5ms", "--simulate", *flags)
    until(lambda: "watch it live" in playing.err, "the feed's port")
    found = re.search(r"imaxproxy top (http://127\.0\.0\.1:\d+)", playing.err)
    assert found is not None

    def live() -> Any:  # noqa: ANN401
        with urllib.request.urlopen(f"{found[1]}/imax/live?once=1", timeout=20) as answer:
            return json.load(answer)

    snapshot = live()
    assert (snapshot["source"], snapshot["simulated"], snapshot["in_flight"]["count"]) == ("replay", True, 8)
    assert snapshot["now"]["output_tokens_per_s"] > 0
    assert snapshot["now"]["itl_ms"]["count"] > 0
    assert (snapshot["progress"]["of"], snapshot["slo"]["text"]) == (300, "ttft_ms<60000@p99")
    playing.send(signal.SIGINT)
    playing.wait().check(130)


@pytest.mark.parametrize("flags", [{"live_port": 0, "virtual": True}])
def test_what_cannot_be_watched_is_said(flags: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--live-port"):
        check_live_port(flags)


def test_nothing_is_asked_of_who_is_not_watched() -> None:
    check_live_port({"live_port": None, "virtual": True})
