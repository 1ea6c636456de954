"""Summaries for people."""

from imaxproxy.report.repeats import print_repeats
from imaxproxy.report.table import print_summary

__all__ = ["print_repeats", "print_summary"]
