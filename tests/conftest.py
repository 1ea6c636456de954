"""What tests of several rooms share. A busy machine fails no test: hypothesis does not look at the clock."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.command import Command
from hypothesis import HealthCheck, settings

from imaxproxy.wire import splice

HOT_PATHS = ("c", "python")

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that runs us in its background: tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whoever uses `hot_path` runs on each: streamed answers carried by C, and by Python."""
    if "hot_path" in metafunc.fixturenames:
        metafunc.parametrize("hot_path", HOT_PATHS, indirect=True)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """`imaxproxy`, run in tmp_path; the test fails when a process outlives it."""
    made = Command(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hot_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(splice, "_wanted", request.param)
    if request.param == "c" and not splice._built():
        pytest.skip("the C part is not built here: no C compiler or no headers when imaxproxy was installed")
    yield request.param
    assert splice.hot_path() == request.param
