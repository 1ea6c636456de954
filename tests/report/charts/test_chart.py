import importlib.util
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.report.charts import FORMATS, Chart, write_charts

MARK = "SIMULATED, not measured"


def a_chart(*, simulated: bool = False, notes: tuple[str, ...] = ("small print",)) -> Chart:
    def draw(figure: Any) -> None:  # noqa: ANN401 (matplotlib's figure)
        figure.subplots().plot([1, 2], [3, 4], label="a line")

    return Chart("a-chart", "A title", draw, simulated, subtitle="of what", notes=notes)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_data_are_the_same_bytes(tmp_path: Path, format: str) -> None:
    one, other = (write_charts([a_chart()], tmp_path / name, format)[0] for name in ("a", "b"))
    assert one.name == f"a-chart.{format}"
    assert one.read_bytes() == other.read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == [one.name]  # nothing half-written beside it


@pytest.mark.parametrize("simulated", [False, True])
def test_what_is_simulated_says_so_in_the_picture(tmp_path: Path, simulated: bool) -> None:
    (path,) = write_charts([a_chart(simulated=simulated)], tmp_path, "svg")
    text = path.read_text("utf-8")
    assert (MARK in text) == simulated
    for said in ("A title", "of what", "small print"):
        assert said in text


def test_a_png_is_one(tmp_path: Path) -> None:
    (path,) = write_charts([a_chart(notes=())], tmp_path, "png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'imaxproxy\[charts\]'"):
        write_charts([a_chart()], tmp_path, "svg")


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--charts .*file cannot be written"):
        write_charts([a_chart()], tmp_path / "file", "svg")
