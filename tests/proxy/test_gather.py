"""One trace of what all workers captured."""

import json
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.proxy.gather import BLOCK_TOKENS, Ratios, block_ids, gather
from imaxproxy.traces import TraceRow, open_trace


def captured(request_id: str = "r", at_ms: float = 0.0, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    row = {
        "request_id": request_id, "timestamp": at_ms, "ended": at_ms + 1, "input_length": 100, "output_length": 7,
        "reasoning_length": None, "model": "m", "priority": None, "tags": None, "extra": {}, "max_tokens": None,
        "recorded": {"outcome": "completed"}, "session": request_id, "turn": 0, "prompt_bytes": 400,
        "blocks": "00" * 12,
    }  # fmt: skip
    return row | fields


def write(path: Path, *rows: dict[str, Any], tail: str = "") -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return path


def gathered(tmp_path: Path, *workers: list[dict[str, Any]], tail: str = "") -> tuple[list[TraceRow], dict[str, int]]:
    paths = [write(tmp_path / f"capture-{n}.jsonl", *rows, tail=tail) for n, rows in enumerate(workers)]
    left_out = gather(paths, tmp_path / "trace.jsonl").left_out
    return list(open_trace(tmp_path / "trace.jsonl")), left_out


def test_rows_of_all_workers_come_in_the_order_of_their_requests_from_zero(tmp_path: Path) -> None:
    rows, left_out = gathered(
        tmp_path, [captured("d", 5040.5), captured("b", 5010)], [captured("a", 5000), captured("c", 5020)]
    )
    assert [(row.request_id, row.timestamp_ms) for row in rows] == [("a", 0), ("b", 10), ("c", 20), ("d", 40.5)]
    assert left_out == {}
    assert not (tmp_path / "trace.jsonl.part").exists()


def test_a_conversation_is_one_session_whichever_workers_had_its_turns(tmp_path: Path) -> None:
    turns = [captured(f"t{n}", 100 * n, session="x", turn=n) for n in range(4)]
    rows, _ = gathered(tmp_path, turns[1::2], turns[::2])
    assert [(row.session_id, row.turn, row.delay_ms) for row in rows] == [
        ("s1", 0, None), ("s1", 1, 99), ("s1", 2, 99), ("s1", 3, 99),
    ]  # fmt: skip


def test_an_id_that_comes_twice_gets_another(tmp_path: Path) -> None:
    rows, _ = gathered(tmp_path, [captured("a", n) for n in range(2)] + [captured("a.2", 2), captured("a", 3)])
    assert [row.request_id for row in rows] == ["a", "a.2", "a.2.2", "a.3"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"recorded": {"outcome": "failed"}, "output_length": 0}, "unanswered"),
        ({"recorded": {"outcome": "failed"}, "output_length": None}, "unanswered"),
        ({"input_length": None, "prompt_bytes": None}, "prompt unknown"),
        ({"output_length": None}, "output unknown"),
    ],
)
def test_what_cannot_be_sent_again_is_counted(tmp_path: Path, fields: dict[str, Any], why: str) -> None:
    rows, left_out = gathered(tmp_path, [captured("a"), captured("b", **fields)])
    assert ([row.request_id for row in rows], left_out) == (["a"], {why: 1})


def test_what_failed_in_the_midst_or_was_aborted_was_load(tmp_path: Path) -> None:
    rows, _ = gathered(
        tmp_path,
        [
            captured("a", recorded={"outcome": "failed"}),
            captured("b", 1, recorded={"outcome": "aborted"}, output_length=0),
        ],
    )
    assert [(row.output_length, row.output_mode) for row in rows] == [(7, "exact"), (1, "exact")]  # 0 is read as 1


def test_an_unknown_output_is_bounded_by_what_was_allowed(tmp_path: Path) -> None:
    ((row,), _) = gathered(tmp_path, [captured(output_length=None, max_tokens=50)])
    assert (row.output_length, row.output_mode, row.extra) == (None, "natural", {"max_tokens": 50})


def test_a_body_goes_as_it_is_whatever_is_known_of_it(tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "stream": False}
    ((row,), _) = gathered(
        tmp_path, [captured(input_length=None, prompt_bytes=None, output_length=None, body=body, url="/v1/x")]
    )
    assert (row.body, row.url, row.output_mode) == (body, "/v1/x", "natural")


def test_what_a_kill_cut_short_is_no_row_and_what_is_broken_is_counted(tmp_path: Path) -> None:
    rows, left_out = gathered(tmp_path, [captured("a")], tail='nonsense\n{"timestamp": 3, "requ')
    assert ([row.request_id for row in rows], left_out) == (["a"], {"unreadable": 1})


def test_nothing_captured_is_an_empty_trace(tmp_path: Path) -> None:
    assert gather([write(tmp_path / "capture-0.jsonl")], tmp_path / "trace.jsonl").rows == 0


def test_a_prompt_that_nobody_counted_is_estimated_by_those_that_begin_alike(tmp_path: Path) -> None:
    other = captured("o", blocks="11" * 12, prompt_bytes=300, input_length=100)
    rows, _ = gathered(tmp_path, [other, captured("a", 1), captured("b", 2, input_length=None, prompt_bytes=800)])
    assert [(row.input_length, row.recorded.get("input_length_by")) for row in rows] == [
        (100, None), (100, None), (200, "estimate"),
    ]  # fmt: skip


@pytest.mark.parametrize("bytes_per_token", [1.0, 2.6, 4.0, 5.5, 40.0])
def test_ids_are_one_for_each_64_tokens_and_none_twice(bytes_per_token: float) -> None:
    for tokens in (1, 63, 64, 65, 1000):
        blocks = [1000 * (n + 1) for n in range(max(1, round(tokens * bytes_per_token / 256)))]
        ids = block_ids(blocks, tokens, bytes_per_token)
        assert len(ids) == len(set(ids)) == -(-tokens // BLOCK_TOKENS)


@pytest.mark.parametrize("bytes_per_token", [2.6, 4.0, 5.5])
def test_prompts_share_as_many_tokens_as_they_share_bytes(bytes_per_token: float) -> None:
    """2,000 tokens, of which 1,500 are shared: within a block of tokens and one of bytes."""
    count = -(-round(2000 * bytes_per_token) // 256)
    same = round(1500 * bytes_per_token) // 256
    one = [1000 * n for n in range(count)]
    other = one[:same] + [1000 * n + 500 for n in range(same, count)]
    ids = block_ids(one, 2000, bytes_per_token), block_ids(other, 2000, bytes_per_token)
    shared = sum(a == b for a, b in zip(*ids, strict=True)) * BLOCK_TOKENS
    assert 1500 - BLOCK_TOKENS - 256 / bytes_per_token <= shared <= 1500


def test_equal_prompts_have_equal_ids_and_a_longer_one_another_last() -> None:
    assert block_ids([1, 2, 3], 190, 4.0) == block_ids([1, 2, 3], 190, 4.0)
    assert block_ids([1, 2, 3], 190, 4.0)[-1] != block_ids([1, 2, 4], 190, 4.0)[-1]


def test_ratios_are_of_prompts_that_begin_alike_else_of_all() -> None:
    ratios = Ratios()
    ratios.add(captured(blocks="aa" * 6 + "bb" * 6, prompt_bytes=400, input_length=100))
    ratios.add(captured(blocks="aa" * 6 + "cc" * 6, prompt_bytes=500, input_length=100))
    ratios.add(captured(blocks="dd" * 6, prompt_bytes=300, input_length=200))
    ratios.add(captured(input_length=None))
    assert ratios.bytes_per_token(captured(blocks="aa" * 6)) == 4.5
    assert ratios.bytes_per_token(captured(blocks="dd" * 6)) == 1.5
    assert ratios.bytes_per_token(captured(blocks="ee" * 6)) == 3.0
    assert Ratios().bytes_per_token(captured()) == 4.0
