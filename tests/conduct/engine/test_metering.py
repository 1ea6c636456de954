"""`--power` beside a run, with real pynvml over the fake driver and an engine that another command simulates."""

import json
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command, lines_of, until, write_trace

from imaxproxy.conduct.engine.metering import PowerMeter
from imaxproxy.conduct.flags.power import PowerChoice
from imaxproxy.runs import RunDirectory
from imaxproxy.wire import BaseUrl
from tests.power.conftest import fake_driver  # noqa: F401 (a fixture)

Driver = Callable[..., None]
QUICK = ("--power-baseline", "1.2", "--power-tail", "0.4", "--json")


@pytest.fixture
def fake(command: Command, fake_driver: Path) -> Driver:  # noqa: F811
    """Call it with the fake driver's settings: every command started from then on finds that driver."""

    def install(**settings: object) -> None:
        path = command.folder / "fake_nvml.conf"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        command.environment |= {"FAKE_NVML": str(path), "LD_LIBRARY_PATH": str(fake_driver)}

    return install


@pytest.fixture
def engine_url(command: Command) -> str:
    return f"{command.start('serve', '--engine', 'fixed-5ms', '--simulate', '--port', 0, '--out', 'engine').url()}/v1"


def test_a_replay_is_measured_and_says_what_was_counted(
    command: Command,
    engine_url: str,
    fake: Driver,
) -> None:
    fake(gpus=2, idle_w=200)
    trace = write_trace(command.folder / "t.jsonl", 40, output_length=100)
    flags = (
        "--url",
        engine_url,
        "--gpu",
        "h200",
        "--gpus",
        "1",
        "--power",
        "nvml",
        "--power-devices",
        "1",
        "--out",
        "run",
    )
    done = command.run("replay", trace, *flags, *QUICK).check(0)
    assert "power of GPU 0 NVIDIA Fake H200: not counted" in done.err
    assert "power of GPU 1 NVIDIA Fake H200: counted (--power-devices), counter every 100 ms" in done.err
    energy = done.json["energy"]
    whole = energy["windows"]["whole"]
    assert whole["power_w"] == pytest.approx(200, rel=0.02)
    assert energy["idle"]["basis"] == "busy"  # the fake board draws the same before the run as in it
    assert energy["sampler"]["cpu_share"] < 0.2
    shared_j = sum(row["energy_j"] for row in lines_of(command.folder / "run" / "energy.jsonl"))
    assert shared_j + energy["requests"]["unattributed_j"] == pytest.approx(whole["energy_j"], rel=1e-3)
    table = command.run("report", "run").check(0).out
    assert "J per output token" in " ".join(table.split())


def test_boards_that_are_nobodys_make_no_figure(
    command: Command,
    engine_url: str,
    fake: Driver,
    trace: Path,
) -> None:
    fake(gpus=2)
    done = command.run("replay", trace, "--url", engine_url, "--power", "nvml", *QUICK).check(0)
    assert "which GPUs are the engine's is not known: give --power-devices" in done.err
    energy = done.json["energy"]
    assert (energy["valid"], energy["windows"]["whole"]["energy_j"]) == (False, None)
    assert "gpus_not_mapped" in energy["reasons"]
    assert done.json["requests"]["completed"] == 10


def test_auto_without_boards_says_so_and_goes_on(command: Command, engine_url: str, trace: Path) -> None:
    done = command.run("replay", trace, "--url", engine_url, "--power", "auto", "--out", "run", *QUICK).check(0)
    assert "no energy will be measured" in done.err
    energy = done.json["energy"]
    assert (energy["valid"], energy["reasons"]) == (False, ["source_not_opened"])
    assert done.json["requests"]["completed"] == 10
    assert "energy unknown:" in " ".join(command.run("report", "run").check(0).out.split())


def test_a_recording_is_taken_in_after_the_run(command: Command, engine_url: str, trace: Path) -> None:
    recording = command.folder / "gpu.csv"
    recording.write_text("timestamp, index, power.draw [W]\n2020/01/01 00:00:00.000, 0, 300.00 W\n")
    flags = ("--url", engine_url, "--power", f"file:{recording}", "--power-devices", "0", "--out", "run", "--json")
    done = command.run("replay", trace, *flags).check(0)
    assert "1 power samples from" in done.err
    assert "window_not_bracketed" in done.json["energy"]["reasons"]  # it is of another year
    manifest = json.loads((command.folder / "run" / "manifest.json").read_text())
    assert manifest["settings"]["power"] == f"file:{recording}"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--power", "nvlm"), "--power nvlm: no such source; known: auto, nvml"),
        (("--power", "file:none.csv"), "there is no such file"),
        (("--power", "sim"), "--power sim goes with --engine RECIPE --simulate"),
        (("--power-baseline", "-1"), "--power-baseline"),
        (("--power-tick", "0"), "--power-tick"),
    ],
)
def test_wrong_flags_are_said_in_a_line(command: Command, trace: Path, flags: tuple[str, ...], says: str) -> None:
    assert says in command.run("replay", trace, "--url", "http://127.0.0.1:1/v1", *flags).complaint()


def test_a_source_that_was_named_and_is_not_there_ends_the_command_before_the_run(
    command: Command, engine_url: str, trace: Path
) -> None:
    flags = ("--url", engine_url, "--power", "dcgm:http://127.0.0.1:9", *QUICK)
    done = command.run("replay", trace, *flags)
    assert done.code == 2
    assert "DCGM exporter http://127.0.0.1:9/metrics" in done.err


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        (("http://192.0.2.7:8000",), "the engine is at 192.0.2.7, .* give --power dcgm:http://192.0.2.7:9400, or"),
        (
            ("http://127.0.0.1:8000", "http://192.0.2.7:8000", "http://192.0.2.8:8000"),
            "at 192.0.2.7 and 192.0.2.8, .* --power nvml,dcgm:http://192.0.2.7:9400,dcgm:http://192.0.2.8:9400, or",
        ),
    ],
)
def test_engines_of_other_hosts_want_sources_of_their_own(urls: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """192.0.2.0/24 is nobody's; nothing is sent there."""
    meter = PowerMeter(PowerChoice(source="auto"), tuple(BaseUrl.parse(url, "--upstream") for url in urls), {})
    with meter.measuring(RunDirectory(tmp_path)) as facts:
        assert re.search(says, facts["power_unavailable"])


def test_serve_is_measured_and_its_live_view_shows_power_and_the_engines_own_view(
    command: Command, fake: Driver
) -> None:
    fake(gpus=2, idle_w=200)
    first = command.start("serve", "--engine", "fixed-5ms", "--simulate", "--port", 0, "--out", "engine")
    first.url()
    engine = re.search(r"-> (http://127\.0\.0\.1:\d+)", first.err)
    assert engine is not None
    flags = ("--gpu", "h200", "--gpus", "2", "--price", "3.6", "--power", "nvml", "--power-devices", "0,1")
    flags = (*flags, "--engine-metrics", "--workers", "2", "--port", "0", "--out", "run", *QUICK)
    serving = command.start(
        "serve",
        "--upstream",
        engine[1],
        "--engine-metrics",
        *flags,
        "--workers",
        2,
        "--port",
        0,
        "--out",
        "run",
        *QUICK,
    )
    url = serving.url()
    assert "power of GPU 1 NVIDIA Fake H200: counted (--power-devices)" in serving.err

    def live() -> Any:  # noqa: ANN401
        with urllib.request.urlopen(f"{url}/imax/live?once=1", timeout=10) as answer:
            return json.load(answer)

    body = json.dumps(
        {"model": "fixed-5ms", "messages": [{"role": "user", "content": "one"}], "max_tokens": 20}
    ).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/v1/chat/completions", body, {"Content-Type": "application/json"}), timeout=10
    ) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 20
    until(lambda: (live()["power"] or {}).get("energy_j"), "energy to be told")
    snapshot = live()
    power, cost = snapshot["power"], snapshot["cost"]
    assert (power["source"], power["boundary"], power["boards"], power["simulated"]) == ("nvml", "board", 2, False)
    assert power["watts"] == pytest.approx(400, rel=0.02)
    assert power["j_per_output_token"] == pytest.approx(power["energy_j"] / 20)
    assert power["energy_j"] < 400 * (snapshot["elapsed_s"] + 1.5)  # the idle baseline is not the run's
    assert cost["price"] == "3.6 USD/GPU-hour x 2 h200, given"
    assert cost["usd"] == pytest.approx(3.6 * 2 * snapshot["elapsed_s"] / 3600)
    told = snapshot["engine_metrics"]
    assert (told["running"], told["waiting"], told["engines"]) == (0, 0, 1)
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    assert 'imaxproxy_power_watts{boundary="board",source="nvml"} 40' in page
    assert "imaxproxy_cost_usd_total" in page
    assert "imaxproxy_engine_requests_running 0.0" in page
    check_with_promtool(page)
    serving.send(signal.SIGTERM)
    done = serving.wait().check(0)
    assert done.json["energy"]["windows"]["whole"]["power_w"] == pytest.approx(400, rel=0.02)
    assert not (command.folder / "run" / "power-now.json").exists()


def check_with_promtool(page: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_serve_does_not_begin_without_a_source_that_was_named(command: Command, engine_url: str) -> None:
    done = command.run("serve", "--upstream", engine_url, "--power", "nvml", "--port", 0, "--out", "a", *QUICK).check(2)
    assert "--power nvml" in done.err
