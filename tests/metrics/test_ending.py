import pytest

from imaxproxy.metrics import Ending, Flag, Outcome, ending_of

FAILED, TRUNCATED, ABORTED = Outcome.FAILED, Outcome.TRUNCATED, Outcome.ABORTED


@pytest.mark.parametrize(
    ("outcome", "error", "ending"),
    [
        (Outcome.COMPLETED, None, "complete"),
        (TRUNCATED, "no_finish_reason", "no_finish_reason"),
        (TRUNCATED, "no_end", "no_end"),
        (TRUNCATED, "finish_abort", "broken_off"),
        (TRUNCATED, "finish_content_filter", "broken_off"),
        (TRUNCATED, "cut", "cut"),
        (TRUNCATED, "reset", "reset"),
        (FAILED, "reset", "reset"),  # before a head came
        (FAILED, "error_event", "error_event"),
        (FAILED, "error_body", "error_answer"),
        (FAILED, "http_503", "error_answer"),
        (FAILED, "malformed_event", "unreadable"),
        (FAILED, "bad_chunk", "unreadable"),
        (FAILED, "connect_timeout", "timeout_connect"),
        (FAILED, "first_byte_timeout", "timeout_first_byte"),
        (TRUNCATED, "idle_timeout", "timeout_idle"),
        (TRUNCATED, "timeout", "timeout_total"),
        (TRUNCATED, "total_timeout", "timeout_total"),
        (FAILED, "connect_refused", "not_connected"),
        (FAILED, "no_response", "no_response"),
        (FAILED, "body_timeout", "not_asked"),  # the client's own body
        (FAILED, "body_too_large", "not_asked"),
        (FAILED, "never_ready", "not_asked"),
        (ABORTED, "client_left", "client_left"),
        (ABORTED, "stopped", "stopped"),
    ],
)
def test_each_error_is_one_way_to_end(outcome: Outcome, error: str | None, ending: str) -> None:
    assert ending_of(outcome, error) == ending
    assert ending_of(outcome, error, (Flag.BAD_EVENT, Flag.USAGE_MISMATCH)) == ending


def test_a_completed_stream_without_its_terminator_says_so() -> None:
    assert ending_of(Outcome.COMPLETED, None, (Flag.NO_DONE,)) is Ending.NO_TERMINATOR
