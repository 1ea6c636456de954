"""Summaries for people."""

from imaxproxy.report.compare import markdown_compare, print_compare
from imaxproxy.report.cost import print_cost, print_example, print_hardware
from imaxproxy.report.frontier import print_frontier
from imaxproxy.report.repeats import print_repeats
from imaxproxy.report.table import print_summary

__all__ = [
    "markdown_compare",
    "print_compare",
    "print_cost",
    "print_example",
    "print_frontier",
    "print_hardware",
    "print_repeats",
    "print_summary",
]
