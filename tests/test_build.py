"""hatch_build.py: the C part is built where that can be, and where it cannot the reason is one line."""

import sys
import sysconfig
from pathlib import Path
from shutil import copytree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from hatch_build import BUILT, FLAGS, SOURCES, build

ROOT = Path(__file__).parents[1]
HAS_HEADERS = (Path(sysconfig.get_path("include")) / "Python.h").exists()
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the C part is for Linux")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    copytree(ROOT / SOURCES, tmp_path / SOURCES)
    return tmp_path


@needs_linux
@pytest.mark.skipif(not HAS_HEADERS, reason="Python's headers are not installed")
def test_compiles_without_a_warning(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -Werror")
    if (why_not := build(copy)) is not None and why_not.startswith("no C compiler"):
        pytest.skip(why_not)
    assert why_not is None
    assert (copy / BUILT).stat().st_size > 10_000
    assert "-Wextra" in FLAGS


@needs_linux
@pytest.mark.skipif(not HAS_HEADERS, reason="Python's headers are not installed")
def test_without_a_compiler_it_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    assert build(copy) == "no C compiler: no-such-compiler: No such file or directory"
    assert not (copy / BUILT).exists()


@needs_linux
def test_without_headers_it_names_the_package(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path / "nowhere"))
    why_not = build(copy)
    assert why_not is not None
    assert "python3-dev" in why_not


@needs_linux
@pytest.mark.skipif(not HAS_HEADERS, reason="Python's headers are not installed")
def test_what_does_not_compile_is_shown(copy: Path) -> None:
    with (copy / SOURCES / "haul.c").open("a") as file:
        file.write("this is no C\n")
    why_not = build(copy)
    assert why_not is not None
    assert "failed" in why_not


@pytest.mark.skipif(sys.platform == "linux", reason="for systems without epoll")
def test_other_systems_do_without(copy: Path) -> None:
    assert build(copy) == "it needs Linux's epoll"
