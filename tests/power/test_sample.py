"""Lines of power.jsonl: what is written is read again, and what is no line is refused in words."""

from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import ImaxproxyError
from imaxproxy.power import Boundary, Device, EventKind, PowerEvent, PowerLine, PowerSample, SampleFlag, line_of

_watts = st.none() | st.floats(0, 2000)
samples = st.builds(
    PowerSample,
    st.integers(0, 2**62),
    st.text(min_size=1),
    _watts,
    _watts,
    st.none() | st.integers(0, 2**62),
    st.lists(st.sampled_from(SampleFlag)).map(tuple),
    throttle=st.none() | st.integers(0, 2**32),
    simulated=st.booleans(),
)
devices = st.builds(
    Device,
    st.text(min_size=1),
    st.sampled_from(["nvml", "sim"]),
    st.sampled_from(Boundary),
    st.integers(0, 2**62),
    counter_boundary=st.none() | st.sampled_from(Boundary),
    counted=st.booleans(),
    notes=st.lists(st.text()).map(tuple),
)
events = st.builds(PowerEvent, st.integers(0, 2**62), st.sampled_from(EventKind), st.none() | st.text())


@given(samples | devices | events)
def test_a_line_reads_as_it_was_written(line: PowerLine) -> None:
    assert line_of(orjson.loads(orjson.dumps(line.as_row()))) == line


def test_a_sample_writes_only_what_is_known() -> None:
    assert PowerSample(5, "GPU-1", 300.5, energy_mj=7).as_row() == {
        "type": "sample", "time_ns": 5, "device": "GPU-1", "power_w": 300.5, "energy_mj": 7,
    }  # fmt: skip


def test_keys_of_a_later_version_are_ignored() -> None:
    assert line_of({"type": "sample", "time_ns": 1, "device": "a", "colour": 3}) == PowerSample(1, "a")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([], "not a JSON object"),
        ({"type": "sampel"}, "'sampel' is none of device, sample, event"),
        ({"schema": "imaxproxy.power/1", "power_w": 3}, "None is none of"),  # the form of before the first release
        ({"type": "device", "device": "a", "source": "nvml", "boundary": "board"}, "schema None"),
        ({"type": "sample", "device": "a"}, "time_ns"),
        ({"type": "sample", "time_ns": "now", "device": "a"}, "time_ns is no number: 'now'"),
        ({"type": "sample", "time_ns": 1, "device": "a", "flags": ["odd"]}, "odd"),
        ({"type": "event", "time_ns": 1, "event": "party"}, "party"),
    ],
)
def test_what_is_no_line_is_refused(row: object, says: str) -> None:
    with pytest.raises(ImaxproxyError, match=says):
        line_of(row)


def test_every_line_has_a_time() -> None:
    assert all("time_ns" in {field.name for field in fields(kind)} for kind in (Device, PowerSample, PowerEvent))
