"""What tests of several rooms share."""

from collections.abc import Iterator

import pytest

from imaxproxy.wire import splice

HOT_PATHS = ("c", "python")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whoever uses `hot_path` runs on each: streamed answers carried by C, and by Python."""
    if "hot_path" in metafunc.fixturenames:
        metafunc.parametrize("hot_path", HOT_PATHS, indirect=True)


@pytest.fixture
def hot_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(splice, "_wanted", request.param)
    if request.param == "c" and not splice._built():
        pytest.skip("the C part is not built here: no C compiler or no headers when imaxproxy was installed")
    yield request.param
    assert splice.hot_path() == request.param
