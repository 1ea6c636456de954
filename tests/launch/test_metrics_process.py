import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from imaxproxy.launch.metrics_process import MetricsProcess
from imaxproxy.launch.port import free_port
from launch.processes import wait_gone

FAKE = Path(__file__).with_name("fake_engine.py")
PAGE = Path(__file__).parents[1] / "data" / "launch" / "vllm-metrics.txt"


@pytest.fixture
def engine_url() -> Iterator[str]:
    port = free_port("127.0.0.1")
    argv = [sys.executable, str(FAKE), "--port", str(port), "--metrics", str(PAGE), "--say-ready"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.kill()


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_samples_begin_before_the_load_and_end_after_it(engine_url: str, tmp_path: Path) -> None:
    path = tmp_path / "engine_metrics.jsonl"
    sampler = MetricsProcess(path, [(engine_url, None)], every_s=600.0)
    sampler.start()
    assert sampler.wait_ready()
    head, first = rows_of(path)
    sampler.stop()
    assert head["schema"] == "imaxproxy.engine_metrics/1"
    (source,) = head["sources"]  # type: ignore[misc]
    assert (source["engine"], source["path"]) == ("vllm", "/metrics")
    assert source["names"]["running"] == "vllm:num_requests_running"
    assert first["prompt_tokens"] == 347
    assert len(rows_of(path)) == 3  # and the last one, taken at the end
    sampler.stop()  # again: no harm


def test_one_that_answers_nothing_is_a_sample_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "engine_metrics.jsonl"
    sampler = MetricsProcess(path, [(f"http://127.0.0.1:{free_port('127.0.0.1')}", "vllm")], every_s=600.0)
    sampler.start()
    assert sampler.wait_ready()
    sampler.stop()
    assert "refused" in str(rows_of(path)[1]["error"])


def test_a_page_of_another_program_is_said_to_be_unknown(tmp_path: Path, engine_url: str) -> None:
    """Asked as SGLang, whose names the page has not."""
    path = tmp_path / "engine_metrics.jsonl"
    sampler = MetricsProcess(path, [(engine_url, "sglang")], every_s=600.0)
    sampler.start()
    assert sampler.wait_ready()
    sampler.stop()
    assert rows_of(path)[1]["error"] == "its /metrics page has no name that we know"


def test_it_does_not_outlive_a_kill_of_ours(tmp_path: Path, engine_url: str) -> None:
    script = (
        "import os\n"
        "from pathlib import Path\n"
        "from imaxproxy.launch.metrics_process import MetricsProcess\n"
        f"sampler = MetricsProcess(Path({str(tmp_path / 'm')!r}), [({engine_url!r}, None)], every_s=600.0)\n"
        "sampler.start()\n"
        "sampler.wait_ready()\n"
        "print(sampler._child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    owner = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert wait_gone(int(owner.stdout), timeout_s=10)


def test_the_fake_engine_serves_the_page(engine_url: str) -> None:
    with urllib.request.urlopen(f"{engine_url}/metrics", timeout=10) as answer:
        assert b"vllm:num_requests_running" in answer.read()
