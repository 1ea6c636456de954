"""What is measured: the Exchange and its Timeline, the formulas, histograms, windows, the meter's own health."""

from imaxproxy.metrics.by_model import ByModel
from imaxproxy.metrics.dimensions import MOST_VALUES, OTHER, Breakdown, Dimensions, DimensionValues, Least
from imaxproxy.metrics.ending import Ending, Flag, Outcome, ending_of
from imaxproxy.metrics.engine_timing import Differences, EngineTiming
from imaxproxy.metrics.exchange import WARMUP, Ask, CountedBy, Exchange, Usage
from imaxproxy.metrics.flow import Flow, Underway, Who
from imaxproxy.metrics.gaps import CountGaps
from imaxproxy.metrics.health import HealthProbe, HealthSample, ReadStamps, tune_gc
from imaxproxy.metrics.histogram import PERCENTILES, Histogram
from imaxproxy.metrics.interval import Interval, share_difference, t_interval, wilson
from imaxproxy.metrics.level import mser5
from imaxproxy.metrics.live_meter import LiveMeter
from imaxproxy.metrics.live_part import LivePart, pause_ns
from imaxproxy.metrics.log_buckets import LogBuckets, few_buckets
from imaxproxy.metrics.meter_health import MeterHealth
from imaxproxy.metrics.slo import Objective, SloTally, objectives_of
from imaxproxy.metrics.slowest import Slowest
from imaxproxy.metrics.tally import METRICS, Tally, per_second, seconds
from imaxproxy.metrics.timeline import ANSWER, REASONING, TOOL, Timeline, mark
from imaxproxy.metrics.totals import Totals
from imaxproxy.metrics.under_way import Grid
from imaxproxy.metrics.window import Trim, Window, Windows
from imaxproxy.metrics.window_finder import WindowFinder

__all__ = [
    "ANSWER",
    "METRICS",
    "MOST_VALUES",
    "OTHER",
    "PERCENTILES",
    "REASONING",
    "TOOL",
    "WARMUP",
    "Ask",
    "Breakdown",
    "ByModel",
    "CountGaps",
    "CountedBy",
    "Differences",
    "DimensionValues",
    "Dimensions",
    "Ending",
    "EngineTiming",
    "Exchange",
    "Flag",
    "Flow",
    "Grid",
    "HealthProbe",
    "HealthSample",
    "Histogram",
    "Interval",
    "Least",
    "LiveMeter",
    "LivePart",
    "LogBuckets",
    "MeterHealth",
    "Objective",
    "Outcome",
    "ReadStamps",
    "SloTally",
    "Slowest",
    "Tally",
    "Timeline",
    "Totals",
    "Trim",
    "Underway",
    "Usage",
    "Who",
    "Window",
    "WindowFinder",
    "Windows",
    "ending_of",
    "few_buckets",
    "mark",
    "mser5",
    "objectives_of",
    "pause_ns",
    "per_second",
    "seconds",
    "share_difference",
    "t_interval",
    "tune_gc",
    "wilson",
]
