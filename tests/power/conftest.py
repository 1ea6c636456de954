"""A driver for machines without one: real pynvml over a small library of ours."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_SOURCE = Path(__file__).with_name("fake_nvml.c")


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with libnvidia-ml.so.1 in it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler here: the fake libnvidia-ml.so.1 cannot be built")
    directory = tmp_path_factory.mktemp("driver")
    library = directory / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True)
    return directory


@pytest.fixture
def driver(fake_driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call it with the fake's settings; every process that is started from then on finds that driver."""

    def install(**settings: object) -> None:
        path = tmp_path / "fake_nvml.conf"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        monkeypatch.setenv("FAKE_NVML", str(path))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(fake_driver))

    return install


def in_a_process(code: str) -> Any:  # noqa: ANN401 (whatever the code prints as JSON)
    """What a piece of code prints in a process of its own: pynvml keeps its library for as long as a process lives."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
