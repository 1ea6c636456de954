"""Draws a run's table as docs/demo.svg:  .venv/bin/python docs/picture.py imax-runs/<demo>/replay"""

import io
import sys
from pathlib import Path

from rich.console import Console

from imaxproxy.report import print_summary
from imaxproxy.runs import RunDirectory, summarize


def main() -> None:
    run = RunDirectory.open(Path(sys.argv[1]))
    console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True, highlight=False)
    print_summary(console, summarize(run), "imax-runs/demo/replay")
    console.save_svg(str(Path(__file__).parent / "demo.svg"), title="scripts/demo")


if __name__ == "__main__":
    main()
