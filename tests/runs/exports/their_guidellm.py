"""What GuideLLM's own models read in our report, and what its own code reckons of the requests in it.

Runs in GuideLLM's interpreter; not a test.
"""

import asyncio
import json
import sys
from pathlib import Path

from guidellm.benchmark.entrypoints import reimport_benchmarks_report
from guidellm.benchmark.schemas import GenerativeBenchmarkAccumulator, GenerativeBenchmarksReport
from guidellm.benchmark.schemas.benchmark import GenerativeBenchmark
from guidellm.benchmark.schemas.metrics import GenerativeMetrics


def main() -> None:
    path = Path(sys.argv[1])
    report = GenerativeBenchmarksReport.load_file(path)
    (benchmark,) = report.benchmarks
    csv = path.with_suffix(".csv")
    asyncio.run(reimport_benchmarks_report(path, [{"kind": "csv", "path": str(csv)}, {"kind": "console"}]))
    found = {
        "read": report.model_dump(mode="json"),
        "reckoned": _metrics(benchmark).model_dump(mode="json"),
        "csv_lines": len(csv.read_text().splitlines()),
    }
    print(json.dumps(found))


def _metrics(benchmark: GenerativeBenchmark) -> GenerativeMetrics:
    """Made of the requests alone, as at the end of a benchmark of its own."""
    accumulator = GenerativeBenchmarkAccumulator(config=benchmark.config)
    accumulator.timings.measure_start, accumulator.timings.measure_end = benchmark.start_time, benchmark.end_time
    for status, kept in (
        ("successful", accumulator.completed), ("errored", accumulator.errored), ("incomplete", accumulator.incomplete)
    ):  # fmt: skip
        kept.requests_stats.extend(getattr(benchmark.requests, status))
    return GenerativeMetrics.compile(accumulator)


if __name__ == "__main__":
    main()
