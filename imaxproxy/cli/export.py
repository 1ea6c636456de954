"""`imaxproxy export`."""

from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.output import print_json, say
from imaxproxy.runs import RunRecord
from imaxproxy.runs.exports import FORMATS
from imaxproxy.runs.exports import export as write_export


@click.command("export", short_help="Write a run as other tools write theirs.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), required=True)
@click.option("--out", type=click.Path(path_type=Path), help="File or folder.  [default: exports/ in RUN]")
@click.option(
    "--set",
    "said",
    multiple=True,
    metavar="NAME=VALUE",
    help="A fact that RUN does not know: tp=8, precision=fp8, framework=vllm, isl=1024, image=...  Repeatable.",
)
@click.option("--detailed", is_flag=True, help="With vllm and sglang: their lists of every request.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as JSON.")
def export(run: Path, format_: str, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Write RUN in another tool's format: from the journal, by that tool's definitions (docs/interop.md).

    \b
    imaxproxy export imax-runs/20261126-replay --format inferencex --set precision=fp8
    imaxproxy export imax-runs/20261126-replay --format vllm --detailed --out result.json
    imaxproxy export imax-runs/20261126-replay --format csv

    What was simulated says so in every file that has room for it.
    """
    record = RunRecord.open(run)
    files, notes = write_export(record, format_, flags["said"], flags["out"], detailed=flags["detailed"])
    for note in notes:
        say(f"imaxproxy: {note}")
    if flags["as_json"]:
        about = {"format": format_, "simulated": record.simulated}
        print_json({**about, "files": [str(path) for path in files], "notes": notes})
        return
    for path in files:
        print(path)
