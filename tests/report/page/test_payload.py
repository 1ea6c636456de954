import re
from pathlib import Path

import orjson
import pytest

from imaxproxy.report.content import Report
from imaxproxy.report.page import page_of, payload_of
from imaxproxy.report.page.axis_names import axis_name
from imaxproxy.report.page.payload import _rounded
from imaxproxy.runs.axes import AXES
from report.page.conftest import HOSTILE


def test_points_carry_every_axis_in_its_order(report: Report) -> None:
    payload = payload_of(report, "t", None)
    assert [axis["name"] for axis in payload["axes"]] == list(AXES)
    for given, made in zip(report.points, payload["points"], strict=True):
        for name, value in zip(AXES, made["values"], strict=True):
            wanted = given.values.get(name)
            if wanted is None:
                assert value is None
            else:
                assert (value[0] if isinstance(value, list) else value) == pytest.approx(wanted.mean, rel=1e-4)
                assert isinstance(value, list) == (given.repeats > 1)


def test_numbers_keep_five_digits_and_counts_all_of_theirs() -> None:
    assert _rounded({"a": [1234.5678, 0.000123456789], 1: (2.0, None, "x", True)}) == {
        "a": [1234.6, 0.00012346],
        "1": [2, None, "x", True],
    }
    assert _rounded(123_456_789) == 123_456_789


def test_it_is_json_and_small(report: Report) -> None:
    text = orjson.dumps(payload_of(report, "t", None), option=orjson.OPT_NON_STR_KEYS)
    assert len(text) < 200_000


def test_a_page_names_nothing_outside_of_itself(page_file: Path) -> None:
    """Addresses in the data (sources of prices) are text; nothing in the page's own parts asks for one."""
    html = page_file.read_text()
    shell = re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.DOTALL)
    assert set(re.findall(r"https?://[^\s\"')]+", shell)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|script|img|iframe)[^>]+(src|href)=\"(?!data:)", shell)
    assert "default-src 'none'" in shell
    assert not re.search(r"\b(innerHTML|insertAdjacentHTML|document\.write|eval)\b", shell)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon)\b", shell)


def test_what_is_no_good_html_stays_text(page_file: Path) -> None:
    html = page_file.read_text()
    assert HOSTILE not in html
    assert html.count("</script>") == 2
    data = orjson.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert data["title"].endswith(HOSTILE)


def test_every_axis_has_a_name_of_its_own() -> None:
    labels = [axis_name(name).label for name in AXES]
    assert len(set(labels)) == len(AXES)
    assert "Other" not in {axis_name(name).group for name in AXES}


def test_a_report_of_nothing_but_baselines_is_a_page(report: Report) -> None:
    only = Report([point for point in report.points if not point.runs], "whole", [], {}, {}, [], [], report.prices)
    assert b"InferenceX" in page_of(only, "t")
