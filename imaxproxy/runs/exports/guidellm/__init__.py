"""GuideLLM's report: `benchmarks.json`, schema 2 of its release 0.8.1, with every request in it."""

from pathlib import Path

from imaxproxy.errors import UsageError
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.record import RunRecord


def write_guidellm(record: RunRecord, facts: Facts, path: Path) -> tuple[list[Path], list[str]]:
    """Raises UsageError where numpy is not installed, and for a run in which nothing was measured."""
    try:
        import numpy  # noqa: F401 (said here, in one line, instead of in a traceback further down)
    except ImportError as error:
        raise UsageError("--format guidellm needs numpy: pip install 'imaxproxy[guidellm]'") from error
    from imaxproxy.runs.exports.guidellm.report import report

    path.write_bytes(report(record, facts))
    return [path], []
