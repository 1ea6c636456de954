from typing import Any

import pytest

from imaxproxy.conduct.flags.judging import exit_code

WELL = {"sent": 9, "completed": 9, "failed": 0, "truncated": 0}


@pytest.mark.parametrize(
    ("requests", "ended", "code"),
    [
        ({"sent": 100, "completed": 95, "failed": 3, "truncated": 2}, "finished", 0),
        ({"sent": 100, "completed": 94, "failed": 3, "truncated": 3}, "finished", 1),
        ({"sent": 0, "completed": 0, "failed": 0, "truncated": 0}, "finished", 1),
        (WELL, "duration", 0),
        (WELL, "interrupted", 130),
    ],
)
def test_how_it_ended_is_the_exit_code(requests: dict[str, int], ended: str, code: int) -> None:
    assert exit_code(made(requests=requests, ended=ended)) == code


@pytest.mark.parametrize(
    ("changes", "strict", "code"),
    [
        ({"slo": {"met": True}}, False, 0),
        ({"slo": {"met": False}}, False, 1),
        ({"meter": {"valid": False}}, False, 0),
        ({"meter": {"valid": False}}, True, 1),
        ({"meter": {"valid": True}}, True, 0),
    ],
)
def test_what_the_flags_ask_for_is_the_exit_code(changes: dict[str, Any], strict: bool, code: int) -> None:
    assert exit_code(made(**changes), strict=strict) == code


def made(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"requests": WELL, "ended": "finished", "slo": None, "meter": {"valid": True}} | changes
