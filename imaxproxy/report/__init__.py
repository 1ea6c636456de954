"""Summaries for people."""

from imaxproxy.report.table import print_summary

__all__ = ["print_summary"]
