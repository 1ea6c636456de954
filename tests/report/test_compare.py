import io
from typing import Any

from rich.console import Console

from imaxproxy.report import markdown_compare, print_compare

SIDE = {
    "path": "runs/a",
    "simulated": False,
    "started_at": None,
    "engine": {"gpu": "b200", "gpus": 8},
    "requests": 1_200,
}
ROW = {
    "metric": "ttft, request by request", "unit": "ms", "a": 100.0, "b": 110.0, "change": 0.1, "low": 0.09,
    "high": 0.11, "p_value": 1e-9, "method": "ranks", "verdict": "regression",
}  # fmt: skip
RESULT: dict[str, Any] = {
    "a": SIDE, "b": SIDE | {"path": "runs/b", "simulated": True}, "threshold": 0.05, "verdict": "regression",
    "paired": {
        "matched": 1_190, "only_in_a": 10, "only_in_b": 0, "outcome_changed": {"completed to failed": 3},
        "finish_reason_changed": 2, "output_tokens_changed": 0, "input_tokens_changed": 0,
        "output_tokens": {"a": 5, "b": 5}, "cached_tokens": {"a": 7_000, "b": None},
        "slower_share": {"ttft_ms": 0.97, "tpot_ms": None},
    },
    "not_paired_because": None,
    "rows": [ROW, ROW | {"metric": "failed or cut", "unit": "share", "a": 0.0, "b": 0.025, "change": 0.025,
                         "p_value": None, "low": None, "verdict": "undecided"}],
    "warnings": ["runs of different loads: rate 1 against 2"],
}  # fmt: skip


def printed(result: dict[str, Any]) -> str:
    file = io.StringIO()
    print_compare(Console(file=file, width=140, color_system=None), result)
    return file.getvalue()


def test_a_row_says_what_changed_and_how_surely() -> None:
    text = printed(RESULT)
    assert "+10.0%   +9.0% to +11.0%" in text
    assert "2.5%" in text
    assert "REGRESSION at a threshold of 5 %" in text
    assert "B  runs/b: SIMULATED, 8 x b200, 1,200 requests" in text
    assert "1,190 requests in both, 10 only in A" in text
    assert "2 of another finish reason, 3 from completed to failed" in text
    assert "cached tokens: 7,000 in A, – in B" in text
    assert "warning  runs of different loads" in text


def test_markdown_is_a_table_of_the_same() -> None:
    text = markdown_compare(RESULT)
    assert "| metric | A | B | change | 95 % interval | p | verdict |\n|---|---:|---:|---:|---:|---:|---|" in text
    assert "| ttft, request by request, ms | 100.0 | 110.0 | +10.0% | +9.0% to +11.0% | <0.0001 | regression |" in text
    assert "**REGRESSION**" in text
    assert "SIMULATED" in text


def test_two_crowds_say_why_they_are_no_pairs() -> None:
    text = printed(RESULT | {"paired": None, "not_paired_because": "the runs played different traces"})
    assert "not paired: the runs played different traces" in text
