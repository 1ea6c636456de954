from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.metrics import METRICS, Histogram
from imaxproxy.metrics.histogram import HIGHEST
from imaxproxy.runs import read_hlog, write_hlog
from imaxproxy.runs.hlog import tag_of

STARTED_S, DURATION_S = 1_795_421_155.25, 12.5


def histogram(*values: int) -> Histogram:
    made = Histogram()
    made.record_values(values)
    return made


def test_hdrhistograms_own_reader_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "histograms.hlog"
    write_hlog(
        path, {"ttft_ms": histogram(500_000, 2_000_000), "tps_per_user": histogram(41_500)}, STARTED_S, DURATION_S
    )
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST, 3))
    first = reader.get_next_interval_histogram()
    assert (first.get_tag(), first.get_total_count()) == ("ttft_us", 2)
    assert first.get_max_value() == first.get_highest_equivalent_value(2_000_000)
    assert first.get_start_time_stamp() == STARTED_S * 1000
    assert first.get_end_time_stamp() == (STARTED_S + DURATION_S) * 1000
    second = reader.get_next_interval_histogram()
    assert (second.get_tag(), second.get_value_at_percentile(50)) == ("tps_per_user_milli", 41_503)
    assert reader.get_next_interval_histogram() is None
    reader.close()


def test_a_line_is_as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "histograms.hlog"
    write_hlog(path, {"ttft_ms": histogram(500_000), "itl_ms": Histogram()}, STARTED_S, DURATION_S)
    lines = path.read_text().splitlines()
    assert lines[:4] == [
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1795421155.250 (seconds since epoch), 2026-11-23T08:05:55.250+00:00]",
        "#[BaseTime: 0.000 (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    assert len(lines) == 5  # what has no values has no line
    assert lines[4].startswith("Tag=ttft_us,1795421155.250,12.500,0.500000,HISTFAAA")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(METRICS), st.lists(st.integers(0, HIGHEST), min_size=1, max_size=9), max_size=4))
def test_what_was_written_is_read(values: dict[str, list[int]]) -> None:
    made = {name: histogram(*numbers) for name, numbers in values.items()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "histograms.hlog"
        write_hlog(path, made, STARTED_S, DURATION_S)
        read = read_hlog(path)
    assert {tag: one.counts for tag, one in read.items()} == {tag_of(name): one.counts for name, one in made.items()}


def test_intervals_of_one_tag_are_merged_and_a_line_may_have_none(tmp_path: Path) -> None:
    path = tmp_path / "x.hlog"
    lines = [f"0.000,1.000,0.000,{histogram(value).encode()}" for value in (5, 7)]
    path.write_text("\n".join(["#[x]", *lines, f"Tag=a,{lines[0]}", f"Tag=a,{lines[1]}"]) + "\n")
    read = read_hlog(path)
    assert sorted(read) == ["", "a"]
    assert read[""].total == read["a"].total == 2
    assert read["a"].maximum == 7


@pytest.mark.parametrize(("metric", "tag"), [("ttft_ms", "ttft_us"), ("e2e_tps_per_user", "e2e_tps_per_user_milli")])
def test_a_tag_names_the_unit_that_is_counted(metric: str, tag: str) -> None:
    assert tag_of(metric) == tag
