"""Every chart of a report as a picture, PNG or SVG, without a browser. Needs the `charts` extra (matplotlib)."""

from imaxproxy.report.charts.chart import FORMATS, Chart, write_charts
from imaxproxy.report.charts.choice import AXIS_PAIRS, charts_of

__all__ = ["AXIS_PAIRS", "FORMATS", "Chart", "charts_of", "write_charts"]
