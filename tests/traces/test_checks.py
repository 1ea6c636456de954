import pytest

from imaxproxy.traces import TraceRow
from imaxproxy.traces.checks import TraceChecks


def checked(*rows: TraceRow, whole: bool = True, most_hash_ids: int | None = None) -> TraceChecks:
    checks = TraceChecks(most_hash_ids)
    for number, row in enumerate(rows, 1):
        checks.add(f"t.jsonl:{number}", row)
    checks.close(whole=whole)
    return checks


def hashed(name: str, *ids: int, length: int | None = None) -> TraceRow:
    return TraceRow(name, input_length=10 * len(ids) if length is None else length, hash_ids=ids, block_size=10)


@pytest.mark.parametrize(
    ("rows", "kind", "says"),
    [
        (
            [hashed("a", 1, 2), hashed("b", 3, 2)],
            "hash_id_under_two_parents",
            "t.jsonl:2: request b: field `hash_ids`: 2 follows 3 here and 1 in a row before",
        ),
        (
            [hashed("a", 1), hashed("b", 2, 1)],
            "hash_id_under_two_parents",
            "1 follows 2 here and no block in a row before",
        ),
        (
            [hashed("a", 1, 2), hashed("b", 1, 2, length=15)],
            "hash_id_at_two_sizes",
            "the last id, 2, is a block of 5 tokens here and of 10 before",
        ),
        (
            [
                TraceRow("a", session_id="s", timestamp_ms=5, input_length=1),
                TraceRow("b", session_id="s", timestamp_ms=4, input_length=1),
            ],
            "time_goes_back_in_session",
            "t.jsonl:2: request b: field `timestamp`: 4 ms lies before 5 ms of session s",
        ),
        ([TraceRow("a"), TraceRow("a")], "duplicate_request_id", "t.jsonl:2: request a: field `request_id`"),
        ([TraceRow("h\xe9")], "request_id_not_ascii", "'h\xe9' cannot stand in a header"),
        ([TraceRow("a", wait_for=("x",))], "wait_for_unknown_request", "no row has the request_id x"),
        (
            [TraceRow("a", wait_for=("b",)), TraceRow("b", wait_for=("c",)), TraceRow("c", wait_for=("a",))],
            "wait_for_cycle",
            "field `wait_for`: a waits for b waits for c waits for a: none of them could ever start",
        ),
        (  # by its place in the session it waits for the one before, which waits for it
            [TraceRow("a", session_id="s", wait_for=("b",)), TraceRow("b", session_id="s")],
            "wait_for_cycle",
            "a waits for b waits for a",
        ),
    ],
)
def test_what_no_single_row_shows(rows: list[TraceRow], kind: str, says: str) -> None:
    checks = checked(*rows)
    assert dict(checks.counts) == {kind: 1}
    assert says in checks.example(kind)
    assert checks.examples == [checks.example(kind)]


def test_what_is_right_gives_no_complaint() -> None:
    rows = [
        hashed("a", 1, 2),
        hashed("b", 1, 2, 3),
        TraceRow("c", session_id="s", timestamp_ms=1, input_length=1),
        TraceRow("d", session_id="s", timestamp_ms=1, input_length=1),
        TraceRow("e", wait_for=("a", "d")),
    ]
    assert not checked(*rows).counts


def test_ids_of_two_sessions_are_two_ids() -> None:
    rows = [
        TraceRow(name, session_id=name, input_length=20, hash_ids=ids, block_size=10, hash_id_scope="session")
        for name, ids in (("a", (1, 2)), ("b", (3, 2)))
    ]
    assert not checked(*rows).counts


def test_of_a_part_of_a_trace_nobody_is_said_to_be_missing() -> None:
    assert not checked(TraceRow("a", wait_for=("later",)), whole=False).counts


def test_hash_ids_are_looked_at_up_to_a_number() -> None:
    rows = [hashed("a", 1, 2), hashed("b", 3, 2)]
    assert not checked(*rows, most_hash_ids=3).counts
    assert checked(*rows, most_hash_ids=4).counts
