"""docs/inferencemax-v1.md, its pictures and its kept result.

    .venv/bin/python -m benchmarks.inferencemax_v1 [--sweep FOLDER]

Without --sweep the page is made anew from docs/inferencemax-v1.json. scripts/inferencemax-v1 plays the sweep first.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.inferencemax_v1.matrix import Matrix
from benchmarks.inferencemax_v1.page import FOLDER, page
from benchmarks.inferencemax_v1.pictures import pictures
from benchmarks.paths import ROOT
from imaxproxy.errors import ImaxproxyError
from imaxproxy.report.charts import write_charts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sweep", type=Path, help="where `imaxproxy sweep inferencemax-v1` has played")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page lies")
    asked = parser.parse_args()
    kept = asked.docs / f"{FOLDER}.json"
    try:
        if asked.sweep is not None:
            Matrix.of_sweep(asked.sweep).write(kept)
        matrix = Matrix.read(kept)
        (asked.docs / f"{FOLDER}.md").write_text(page(matrix), "utf-8")
        written = write_charts(pictures(matrix), asked.docs / FOLDER, "svg")
    except ImaxproxyError as error:
        sys.exit(f"{error}")
    for path in set((asked.docs / FOLDER).glob("*.svg")) - set(written):
        path.unlink()
    print(f"{kept.with_suffix('.md')}: {len(matrix.points)} points, {len(written)} pictures")


if __name__ == "__main__":
    main()
