from imaxproxy.report.shares import share_lines


def part(index: int, host: str, slow: str | None = None) -> dict[str, object]:
    return {"index": index, "host": host, "node": None, "workers": [2 * index, 2 * index + 1], "slow": slow}


def test_a_run_of_one_machine_says_nothing() -> None:
    assert share_lines(None) == []


def test_machines_their_start_and_what_was_lost() -> None:
    lost = {"share": 0.25, "who": "share 3/4", "limit_share": 0.01}
    shares = {
        "of": 4,
        "start_error_ms": 0.1234,
        "lost": lost,
        "parts": [part(0, "a"), part(1, "a"), part(2, "b", "why")],
    }
    assert share_lines(shares) == [
        "3 of 4 shares on 2 hosts, 6 workers; started within 0.123 ms",
        "slow: share 2 on b: why",
        "lost: 25.00% of the schedule, with share 3/4 (limit 1.00%)",
    ]
    assert "nobody knows" in share_lines(shares | {"start_error_ms": None})[0]
