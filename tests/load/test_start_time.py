import time

import pytest

from imaxproxy.clock import NS_PER_S, VirtualClock
from imaxproxy.errors import UsageError
from imaxproxy.load.start_time import StartTime, unix_s_of, wall_clock_error_ms


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [("1795000000", 1795000000.0), ("1795000000.25", 1795000000.25), ("2026-11-18T07:06:40+01:00", 1794982000.0)],
)
def test_times_that_all_machines_understand_alike(text: str, unix_s: float) -> None:
    assert unix_s_of(text) == unix_s


@pytest.mark.parametrize("text", ["soon", "2026-11-18T07:06:40", "08:00"])
def test_a_time_without_its_zone_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="with its zone"):
        unix_s_of(text)


def test_the_start_is_fixed_on_this_hosts_clock() -> None:
    clock = VirtualClock(77 * NS_PER_S)
    start = StartTime.at(time.time() + 100, clock)
    assert start.zero_ns == pytest.approx(177 * NS_PER_S, abs=NS_PER_S)
    start.check(176 * NS_PER_S - NS_PER_S)
    with pytest.raises(UsageError, match=r"passed 5\.\d s before this share was ready"):
        start.check(start.zero_ns + 5_050_000_000)


def test_the_kernel_is_asked_how_good_the_wall_clock_is() -> None:
    error_ms = wall_clock_error_ms()
    assert error_ms is None or 0 <= error_ms <= 16_000  # the kernel's bound ends at 16 s
