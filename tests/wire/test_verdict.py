"""In which order causes are looked at; whole answers are in test_reception.py and test_faults.py."""

from dataclasses import replace

import pytest

from imaxproxy.errors import WireError
from imaxproxy.metrics import Outcome
from imaxproxy.wire.dialect import Facts
from imaxproxy.wire.verdict import Evidence, judge

WHOLE = Evidence(Facts(finish_reason="stop", done=True), None, True, 3, None, None)
CUT = WireError("cut", "the connection ended inside the response")
GARBAGE = WireError("bad_chunk", "not a chunk size")


def without_end(*, done: bool) -> Evidence:
    return replace(WHOLE, facts=Facts(done=done))


@pytest.mark.parametrize(
    ("seen", "broken", "aborted", "outcome", "name"),
    [
        (WHOLE, None, None, Outcome.COMPLETED, None),
        (WHOLE, CUT, None, Outcome.TRUNCATED, "cut"),
        (WHOLE, WireError("timeout_idle", "x"), None, Outcome.TRUNCATED, "timeout_idle"),
        (WHOLE, GARBAGE, None, Outcome.FAILED, "bad_chunk"),
        (WHOLE, CUT, "client_left", Outcome.ABORTED, "client_left"),
        (replace(WHOLE, refused=503), CUT, "client_left", Outcome.FAILED, "http_503"),
        (replace(WHOLE, facts=Facts(error="boom")), CUT, "client_left", Outcome.FAILED, "error_event"),
        (replace(WHOLE, facts=Facts(error="boom"), streamed=False), None, None, Outcome.FAILED, "error_body"),
        (replace(WHOLE, malformed="x", events_read=0), None, None, Outcome.FAILED, "malformed_event"),
        (replace(WHOLE, malformed="x"), None, None, Outcome.COMPLETED, None),
        (replace(WHOLE, malformed="x", streamed=False), None, None, Outcome.FAILED, "malformed_body"),
        (replace(WHOLE, malformed="x", streamed=False), CUT, None, Outcome.TRUNCATED, "cut"),
        (replace(without_end(done=False), unread="br"), None, None, Outcome.COMPLETED, None),
        (without_end(done=True), None, None, Outcome.TRUNCATED, "no_finish_reason"),
        (without_end(done=False), None, None, Outcome.TRUNCATED, "no_end"),
        (replace(WHOLE, facts=Facts(finish_reason="abort")), None, None, Outcome.TRUNCATED, "finish_abort"),
    ],
)
def test_the_first_cause_counts(
    seen: Evidence, broken: WireError | None, aborted: str | None, outcome: Outcome, name: str | None
) -> None:
    assert judge(seen, broken, aborted)[:2] == (outcome, name)
