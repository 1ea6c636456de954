"""`imaxproxy power` and `imaxproxy doctor`, with real pynvml over the fake driver."""

from pathlib import Path

import pytest

from cli.command import Command
from imaxproxy.cli.machine import Finding, clock_cost_ns, look
from tests.power.conftest import fake_driver  # noqa: F401 (a fixture)


@pytest.fixture
def with_driver(command: Command, fake_driver: Path) -> Command:  # noqa: F811
    path = command.folder / "fake_nvml.conf"
    path.write_text("gpus=2\nidle_w=90\nlimit_w=650\n")
    command.environment |= {"FAKE_NVML": str(path), "LD_LIBRARY_PATH": str(fake_driver)}
    return command


def test_sources_are_shown_with_their_periods_and_idle_watts(with_driver: Command) -> None:
    seen = with_driver.run("power", "--source", "nvml", "--look", "1.2", "--json").check(0).json["sources"]["nvml"]
    assert [device["index"] for device in seen] == [0, 1]
    assert seen[0]["counter_update_ms"] == pytest.approx(100, rel=0.1)
    assert (seen[1]["mean_w"], seen[1]["limit_w"]) == (pytest.approx(90, rel=0.02), 650)


def test_a_live_line_goes_on_for_as_long_as_was_asked(with_driver: Command) -> None:
    out = with_driver.run("power", "--source", "nvml", "--look", "0.2", "--live", "--for", "1.1").check(0).out
    assert out.count("GPU 0 90.0 W  GPU 1 90.0 W") >= 2


def test_nothing_to_read_says_why_and_is_exit_1(command: Command) -> None:
    done = command.run("power", "--source", "dcgm:http://127.0.0.1:9", "--json").check(1)
    assert "DCGM exporter http://127.0.0.1:9/metrics" in done.json["missing"]["dcgm:http://127.0.0.1:9"]


@pytest.mark.parametrize(
    ("flags", "says"), [(("--source", "nvlm"), "no such source"), (("--for", "3"), "--for goes with --live")]
)
def test_wrong_flags_are_said(command: Command, flags: tuple[str, ...], says: str) -> None:
    assert says in command.run("power", *flags).complaint()


def test_the_doctor_looks_at_everything_and_mends(with_driver: Command) -> None:
    done = with_driver.run("doctor", "--json")
    findings = {each["what"]: each for each in done.json["findings"]}
    assert {"python", "event loop", "clock", "descriptors", "cores", "accelerator", "power"} <= set(findings)
    assert done.code == any(each["state"] == "bad" for each in findings.values())
    assert "nvml: NVIDIA Fake H200, NVIDIA Fake H200" in " ".join(each["says"] for each in done.json["findings"])
    lines = with_driver.run("doctor").out
    assert "descriptors" in lines


def test_few_descriptors_are_bad_and_a_slow_clock_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("hpet\n")
    monkeypatch.setattr("imaxproxy.cli.machine._CLOCK_SOURCE", tmp_path / "clock")
    monkeypatch.setattr("imaxproxy.cli.machine.clock_cost_ns", lambda: 1500.0)
    monkeypatch.setattr("imaxproxy.cli.machine.resource.getrlimit", lambda _: (256, 4096))
    found = {each.what: each for each in look()}
    says = "256 of at most 4,096: enough for about 78 streams through the proxy"
    assert found["descriptors"] == Finding("descriptors", "bad", says, "ulimit -n 4096")
    assert (found["clock"].state, found["clock"].says) == ("bad", "hpet, 1500 ns a read")


def test_the_clocks_cost_is_measured() -> None:
    assert 1 < clock_cost_ns(1000) < 100_000
