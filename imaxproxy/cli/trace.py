"""`imaxproxy trace inspect | validate | convert | filter | sample | hash | generate | specs`."""

import sys
from typing import Any

import click

from imaxproxy.cli.trace_change import convert, filter_, sample
from imaxproxy.cli.trace_generate import generate, specs
from imaxproxy.cli.trace_reading import as_json, opened, reading
from imaxproxy.conduct.output import print_json, say
from imaxproxy.errors import UsageError
from imaxproxy.traces import inspect_trace, rows_sha256, trace_sha256
from imaxproxy.traces.checks import TraceChecks


@click.group(short_help="Look at a trace, change it, make one.")
def trace() -> None:
    """Look at a trace, change it, or make one from a workload spec.

    FILE is any known format, found by itself: Mooncake, Azure, BurstGPT, Bailian, WEKA, MLCommons, LMCache, TraceLab,
    OTel, AIBrix, ShareGPT, OpenAI Batch, AIPerf, vLLM custom, our canonical rows, a folder of them, or a spec; plain,
    .gz, .zst or .xz. docs/traces.md says what each becomes.

    \b
    What is it?               imaxproxy trace inspect conversation_trace.jsonl
    One form for all          imaxproxy trace convert AzureLLMInferenceTrace_code.csv -o code.jsonl.zst
    A tenth of the sessions   imaxproxy trace sample traces/ --share 0.1 -o tenth.jsonl
    No idle hours             imaxproxy trace filter traces/ --idle-gap-cap 300 --max-context 131072 -o capped.jsonl
    Made to measure           imaxproxy trace generate reasoning-r1 -o r1.jsonl
    """


@trace.command()
@reading
@click.option("--max-context", type=click.IntRange(1), metavar="N", help="The model's limit: counts requests over it.")
@as_json
def inspect(as_json: bool, max_context: int | None, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Say what a trace is: format, requests, sessions, lengths, arrivals, prefix reuse, and what is odd about it.

    \b
    imaxproxy trace inspect conversation_trace.jsonl
    imaxproxy trace inspect traces/weka --max-context 131072
    imaxproxy trace inspect trace.jsonl.zst --json | jq .prefix_reuse

    Prefix reuse is what an infinite cache would serve. It is given by tokens, by blocks and as the mean over requests,
    since the same trace differs by points between them.
    """
    described = inspect_trace(opened(flags), max_context)
    if as_json:
        print_json(described)
        return
    from rich.console import Console

    from imaxproxy.cli.trace_picture import print_trace

    print_trace(Console(highlight=False, width=None if sys.stdout.isatty() else 120), described)


@trace.command()
@reading
@as_json
def validate(as_json: bool, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Read every record and check the whole; exit 2 and name file, line and field of the first faults.

    Beyond single records: a hash id under two parents or at two sizes, a wait for a request that does not exist, waits
    in a circle, stamps that go back within a session, ids that come twice.
    """
    checked, checks = opened({**flags, "skip_bad": True}), TraceChecks()
    for where, row in checked.placed():
        checks.add(where, row)
    checks.close()
    faults = checked.skipped + sum(checks.counts.values())
    examples = [*checked.skipped_examples, *checks.examples]
    if as_json:
        found = {"format": checked.format, "requests": checked.rows, "broken": checked.skipped}
        found |= {"faults": dict(checks.counts), "examples": examples, "left_out": dict(checked.left_out)}
        print_json({**found, "clamped": checked.clamped, "unknown_fields": dict(checked.unknown_fields)})
    else:
        for example in examples:
            say(example)
        click.echo(f"{checked.format}: {checked.rows} requests, {checked.skipped} broken lines")
        for kind, count in checks.counts.items():
            click.echo(f"{kind}: {count}")
    if checked.skipped and checked.skipped == faults:
        raise UsageError(f"{checked.path}: {faults} broken lines; `imaxproxy replay --skip-bad` would leave them out")
    if faults:
        raise UsageError(f"{checked.path}: {faults} faults; mend them, or filter the sessions that they are in")


@trace.command(name="hash")
@reading
@as_json
def hash_(as_json: bool, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Name a trace by its rows: the same for any layout, compression, key order or numbering of it."""
    opened_trace = opened(flags)
    digest = rows_sha256(opened_trace)
    if as_json:
        file_digest = trace_sha256(opened_trace.path)
        print_json({"rows_sha256": digest, "file_sha256": file_digest, "requests": opened_trace.rows})
    else:
        click.echo(digest)


for _command in (convert, filter_, sample, generate, specs):
    trace.add_command(_command)
