from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs.made_run import make_run

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Histogram
from imaxproxy.report.content import PERCENTILES, distributions_of
from imaxproxy.report.content.distribution import values_of


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=300))
def test_values_rise_and_end_at_the_maximum(values_us: list[int]) -> None:
    histogram = Histogram()
    histogram.record_values(values_us)
    drawn = values_of(histogram)
    assert drawn == sorted(drawn)
    assert drawn[-1] == max(values_us) / 1000
    reached = PERCENTILES[len(drawn) - 2]
    assert (100 - reached) / 100 * len(values_us) >= 1 - 1e-9  # one value at least lies beyond it


def test_percentiles_are_those_of_the_values() -> None:
    histogram = Histogram()
    histogram.record_values(range(1000, 101_000, 1000))  # 1 to 100 ms
    by_percentile = dict(zip(PERCENTILES, values_of(histogram), strict=False))
    assert by_percentile[50] == pytest.approx(50, rel=1e-3)
    assert by_percentile[90] == pytest.approx(90, rel=1e-3)
    assert 99.5 not in dict(zip(PERCENTILES, values_of(histogram)[:-1], strict=False))


def test_a_run_has_those_of_its_metrics_that_have_values(tmp_path: Path) -> None:
    record = make_run(tmp_path)
    found = distributions_of(record.directory)
    assert next(iter(found)) == "ttft_ms"
    assert found["ttft_ms"][-1] == pytest.approx(record.summary["ttft_ms"]["max"], rel=2e-3)
    record.directory.histograms.write_text("Tag=ttft_us,1,2,3,nonsense\n")
    with pytest.raises(ImaxproxyError, match="is no histogram log"):
        distributions_of(record.directory)
    record.directory.histograms.unlink()
    assert distributions_of(record.directory) == {}
