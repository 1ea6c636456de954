from pathlib import Path

import orjson
import pytest

from imaxproxy.shipped import shipped
from imaxproxy.traces import TraceRow, inspect_trace, open_trace
from imaxproxy.traces.inspect import quantiles
from imaxproxy.traces.reuse import PrefixReuse

DATA = Path(__file__).parents[1] / "data" / "traces"
SAMPLE = shipped("workloads") / "mooncake_conversation.first3min.jsonl"


def test_the_shipped_mooncake_sample() -> None:
    found = inspect_trace(open_trace(SAMPLE))
    assert (found["format"], found["requests"], found["sessions"]) == ("mooncake", 556, 0)
    assert found["span_s"] == pytest.approx(180, abs=0.01)
    assert found["tick_ms"] == pytest.approx(3_000, abs=1)
    assert found["tied_share"] == pytest.approx(0.89, abs=0.01)
    assert "square wave" in found["notes"][0]
    assert found["input_length"]["max"] == SAMPLE_MAX_INPUT
    orjson.dumps(found)  # a command prints it as JSON


def test_a_trace_of_text_says_null_where_it_does_not_know() -> None:
    found = inspect_trace(open_trace(DATA / "swebench_reasoning_agent.excerpt.jsonl"))
    assert (found["requests"], found["sessions"], found["output_modes"]) == (4, 1, {"natural": 4})
    assert found["input_length"] is found["rate_per_s"] is found["prefix_reuse"] is None


def test_session_scoped_hashes_do_not_meet_across_sessions() -> None:
    found = inspect_trace(open_trace(DATA / "weka_claude_code.excerpt.jsonl"))
    rows = list(open_trace(DATA / "weka_claude_code.excerpt.jsonl"))
    assert found["sessions"] == len({row.session_id for row in rows})
    assert 0 < found["prefix_reuse"]["token_weighted"] < 1


def test_counts_what_was_wrong(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"input_length": 0, "request_id": "a", "x": 1}\n' * 2 + b"{\n")
    found = inspect_trace(open_trace(path, skip_bad=True))
    assert (found["requests"], found["skipped"], found["clamped"]) == (2, 1, 2)
    assert (found["unknown_fields"], found["duplicate_request_ids"]) == ({"x": 2}, 1)


def test_prefix_reuse_by_hand() -> None:
    """Blocks of 10: [1 2 3], then [1 2 4] cut at 25 tokens, then the same again."""
    reuse = PrefixReuse()
    for ids, length in (((1, 2, 3), 30), ((1, 2, 4), 25), ((1, 2, 4), 25), ((9, 1), 20)):
        reuse.add(TraceRow("r", input_length=length, hash_ids=ids, block_size=10))
    found = reuse.described()
    assert found is not None
    assert found["token_weighted"] == pytest.approx((20 + 25) / 100)
    assert found["block_weighted"] == pytest.approx((2 + 3) / 11)
    assert found["mean_per_request"] == pytest.approx((0 + 0.8 + 1 + 0) / 4)  # 1 after an unseen 9 is no prefix


def test_quantiles_interpolate() -> None:
    assert quantiles([4, 1, 3, 2]) == {
        "count": 4,
        "mean": 2.5,
        "p50": 2.5,
        "p90": pytest.approx(3.7),
        "p99": pytest.approx(3.97),
        "max": 4,
    }
    assert quantiles([7]) == {"count": 1, "mean": 7, "p50": 7, "p90": 7, "p99": 7, "max": 7}
    assert quantiles([]) is None


SAMPLE_MAX_INPUT = 121298
