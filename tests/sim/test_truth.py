import io
import json

from imaxproxy.clock import NS_PER_MS, VirtualClock
from imaxproxy.sim.truth import TruthLog, TruthRecord


def record(number: int) -> TruthRecord:
    truth = TruthRecord(request_id=f"r{number}")
    truth.events.extend((10, 11, 12, 1, 20, 21, 22, 4))
    return truth


def test_a_record_is_one_line_of_columns() -> None:
    line = record(1).as_json()
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "schema": "imaxproxy.truth/1",
        "request_id": "r1",
        "planned_ns": [10, 20],
        "write_ns": [11, 21],
        "written_ns": [12, 22],
        "tokens": [1, 4],
    }


def test_records_are_written_when_there_is_time() -> None:
    clock, file = VirtualClock(0), io.BytesIO()
    file.name = "truth.jsonl"
    log = TruthLog(file, clock)
    log.add(record(1))
    log.drain(until_ns=NS_PER_MS)  # the next step is too near
    assert repr(log) == "<TruthLog truth.jsonl, 1 records to write>"
    log.drain(until_ns=5 * NS_PER_MS)
    assert file.getvalue().count(b"\n") == 1


def test_records_are_written_in_any_case_when_many_wait_or_all_ends() -> None:
    clock, file = VirtualClock(0), io.BytesIO()
    log = TruthLog(file, clock)
    for number in range(2500):
        log.add(record(number))
    log.drain(until_ns=0)
    assert file.getvalue().count(b"\n") == 500
    log.flush()
    assert [json.loads(line)["request_id"] for line in file.getvalue().splitlines()] == [f"r{n}" for n in range(2500)]
