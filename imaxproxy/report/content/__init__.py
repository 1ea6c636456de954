"""What a report holds, as data, whoever draws it: operating points, distributions, timelines, waterfalls, energy."""

from imaxproxy.report.content.detail import Detail, read_detail
from imaxproxy.report.content.distribution import DRAWN, PERCENTILES, distributions_of
from imaxproxy.report.content.energy_stack import PARTS, EnergyStack, energy_stack, mean_stack
from imaxproxy.report.content.found import Found, FoundRun, LeftOut, find_runs
from imaxproxy.report.content.operating_point import (
    MEASURED,
    PUBLISHED,
    SIMULATED,
    OperatingPoint,
    points_of,
    published_points,
)
from imaxproxy.report.content.prices import GpuPrices, Prices, prices_for
from imaxproxy.report.content.report import DETAILS, Asked, Report, gather
from imaxproxy.report.content.run_facts import RunFacts
from imaxproxy.report.content.timeline import RunTimeline
from imaxproxy.report.content.waterfall import Bar, Waterfall

__all__ = [
    "DETAILS",
    "DRAWN",
    "MEASURED",
    "PARTS",
    "PERCENTILES",
    "PUBLISHED",
    "SIMULATED",
    "Asked",
    "Bar",
    "Detail",
    "EnergyStack",
    "Found",
    "FoundRun",
    "GpuPrices",
    "LeftOut",
    "OperatingPoint",
    "Prices",
    "Report",
    "RunFacts",
    "RunTimeline",
    "Waterfall",
    "distributions_of",
    "energy_stack",
    "find_runs",
    "gather",
    "mean_stack",
    "points_of",
    "prices_for",
    "published_points",
    "read_detail",
]
