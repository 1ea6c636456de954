"""`imaxproxy trace convert | filter | sample`: from any trace to a canonical one."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.trace_reading import as_json, opened, options, reading
from imaxproxy.conduct.output import print_json, say
from imaxproxy.errors import UsageError
from imaxproxy.traces import (
    FORMATS,
    CapIdle,
    Dedupe,
    FirstTurns,
    ForceOutput,
    FromZero,
    OutputMode,
    SampleCount,
    SampleShare,
    Speed,
    StartMidway,
    Step,
    Steps,
    Trace,
    TraceRow,
    Window,
    Without,
    trace_sha256,
    write_trace,
)
from imaxproxy.traces.reuse import PrefixReuse

writing = options(
    click.option(
        "-o",
        "--output",
        "out",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Where to write; .gz, .zst and .xz are compressed.  [default: stdout]",
    ),
    click.option("--header", is_flag=True, help="Begin with a line that says where the rows come from."),
    as_json,
)
_seed = click.option("--seed", default=0, show_default=True, help="Which sessions: the same for the same seed.")


@click.command()
@reading
@click.option("--tokenizer", metavar="DIR", type=click.Path(path_type=Path), help="Count the tokens of rows of text.")
@click.option(
    "--output-mode",
    type=click.Choice(["exact", "max", "natural"]),
    help="Hold answers to their recorded lengths, or not.",
)
@writing
def convert(tokenizer: Path | None, output_mode: OutputMode | None, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Write a trace as canonical rows, one JSON object a line, stamps from 0.

    \b
    imaxproxy trace convert BurstGPT_1.csv -o burst.jsonl.zst
    imaxproxy trace convert traces/weka -o claude.jsonl --header
    imaxproxy trace convert ShareGPT_V3.json --tokenizer ./llama-3 -o sharegpt.jsonl

    --tokenizer takes a folder with a tokenizer.json, or that file (never a hub), and needs the extra
    imaxproxy[tokenizers]. It fills in input_length and output_length from the text; --output-mode exact then has the
    engine answer at those lengths, as benchmarks do with ShareGPT.
    """
    source = opened(flags)
    steps: list[Step] = [FromZero()] if FORMATS[source.format].absolute else []
    if tokenizer is not None:
        from imaxproxy.traces.tokenizer import CountTokens, load_tokenizer

        steps.append(CountTokens(load_tokenizer(tokenizer)))
    if output_mode is not None:
        steps.append(ForceOutput(output_mode))
    _write(source, steps, flags, [])


@click.command(name="filter")
@reading
@click.option("--max-context", type=click.IntRange(1), metavar="N", help="Leave out requests over N tokens in and out.")
@click.option("--min-input", type=click.IntRange(0), metavar="N", help="Leave out requests of fewer input tokens.")
@click.option("--max-input", type=click.IntRange(1), metavar="N", help="Leave out requests of more input tokens.")
@click.option("--max-output", type=click.IntRange(1), metavar="N", help="Leave out requests of more output tokens.")
@click.option("--no-subagents", is_flag=True, help="Leave out sub-agents; who waited for them waits as long.")
@click.option("--max-turns", type=click.IntRange(1), metavar="N", help="The first N turns of each session.")
@click.option("--from-s", type=float, metavar="S", help="Sessions that begin S seconds into the trace, or later.")
@click.option("--to-s", type=float, metavar="S", help="Sessions that begin before S seconds into the trace.")
@click.option("--dedupe", is_flag=True, help="Of sessions that ask the same, the first.")
@click.option(
    "--idle-gap-cap", type=float, metavar="S", help="Cut what a session idles beyond S seconds; says how much."
)
@click.option("--speed", type=float, metavar="X", help="Divide stamps and waits by X.")
@click.option(
    "--mid-start", metavar="LOW:HIGH", help="Start each session somewhere in this part of it, e.g. 0.25:0.75."
)
@_seed
@writing
def filter_(**flags: Any) -> None:  # noqa: ANN401 (click)
    """Leave out requests or sessions, and mend what is left, so that it can be replayed.

    \b
    imaxproxy trace filter trace.jsonl --max-context 32768 -o fits.jsonl
    imaxproxy trace filter traces/weka --dedupe --idle-gap-cap 300 --mid-start 0.25:0.75 -o lanes.jsonl

    The timeline stays: where a request is left out, those behind it wait as long as it took. --mid-start leaves out
    the first part of each session and puts one request of a single token in its place, of kind "warmup", that fills
    the cache. What was left out is said, with its effect on prefix reuse. Steps are done in the order of these options.
    """
    _write(opened(flags), _filter_steps(flags), flags, _said(flags))


@click.command()
@reading
@click.option("--share", type=float, metavar="X", help="Keep this share of the sessions.")
@click.option("--sessions", type=click.IntRange(1), metavar="N", help="Keep so many sessions.")
@_seed
@writing
def sample(share: float | None, sessions: int | None, seed: int, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Draw whole sessions, each with its sub-agents; a request without a session is one of its own.

    \b
    imaxproxy trace sample traces/weka --sessions 5 -o five.jsonl
    imaxproxy trace sample conversation_trace.jsonl --share 0.1 --seed 7 -o tenth.jsonl

    Never single rows of a session: that would tear histories and prefixes. The first 5 are among the first 10 of the
    same seed.
    """
    if (share is None) == (sessions is None):
        raise UsageError("give either --share X or --sessions N")
    step: Step = SampleShare(share, seed) if share is not None else SampleCount(sessions or 1, seed)
    _write(opened(flags), [step], flags, [f"sample --seed {seed}"])


def _filter_steps(flags: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    if flags["from_s"] is not None or flags["to_s"] is not None:
        steps.append(Window(flags["from_s"] or 0.0, flags["to_s"]))
    if flags["dedupe"]:
        steps.append(Dedupe())
    if flags["max_turns"] is not None:
        steps.append(FirstTurns(flags["max_turns"]))
    if flags["no_subagents"]:
        steps.append(Without("subagent_requests", lambda row: row.parent_session_id is not None))
    steps += _length_steps(flags)
    if flags["idle_gap_cap"] is not None:
        steps.append(CapIdle(flags["idle_gap_cap"]))
    if flags["mid_start"] is not None:
        steps.append(StartMidway(flags["seed"], *_shares(flags["mid_start"])))
    if flags["speed"] is not None:
        steps.append(Speed(flags["speed"]))
    if not steps:
        raise UsageError(
            "filter: say what to leave out, e.g. --max-context 32768 (see `imaxproxy trace filter --help`)"
        )
    return steps


def _length_steps(flags: dict[str, Any]) -> Iterator[Step]:
    """Rows that do not say the length in question stay."""
    context, least, most, output = (flags[name] for name in ("max_context", "min_input", "max_input", "max_output"))
    if context is not None:
        yield Without("requests_over_context", lambda row: (row.input_length or 0) + (row.output_length or 0) > context)
    if least is not None:
        yield Without("requests_under_input", lambda row: row.input_length is not None and row.input_length < least)
    if most is not None:
        yield Without("requests_over_input", lambda row: (row.input_length or 0) > most)
    if output is not None:
        yield Without("requests_over_output", lambda row: (row.output_length or 0) > output)


def _shares(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise UsageError(f"--mid-start must be two shares LOW:HIGH such as 0.25:0.75, not {text}") from None


def _said(flags: dict[str, Any]) -> list[str]:
    """The filters that are in force, for the header."""
    reading_flags = {"file", "format_", "skip_bad", "limit", "time_unit", "out", "header", "as_json"}
    used = {name: value for name, value in flags.items() if name not in reading_flags and value not in (None, False)}
    return [f"{name.replace('_', '-')}={value}" for name, value in used.items()]


def _write(source: Trace, steps: list[Step], flags: dict[str, Any], filters: list[str]) -> None:
    out: Path | None = flags["out"]
    if flags["as_json"] and out is None:
        raise UsageError("--json prints the report, and stdout is for the rows: give -o FILE")
    _check_apart(source.path, out)
    before, after = _Count(), _Count()
    chain = Steps(lambda: source, steps)
    rows = chain if steps else before.through(source)
    if steps:
        before.all(source)
    write_trace(out, after.through(rows), _header(source, filters) if flags["header"] else None)
    _report(before, after if steps else before, chain.report(), source, flags)


def _check_apart(path: Path, out: Path | None) -> None:
    if out is not None and (
        path.resolve() == out.resolve() or (path.is_dir() and out.resolve().parent == path.resolve())
    ):
        raise UsageError(f"{out} is, or lies in, what is read; write somewhere else")


def _header(source: Trace, filters: list[str]) -> dict[str, Any]:
    facts = {"source": source.path.name, "format": source.format, "dataset_sha256": trace_sha256(source.path)}
    return facts | ({"filters": filters} if filters else {})


def _report(before: "_Count", after: "_Count", done: dict[str, Any], source: Trace, flags: dict[str, Any]) -> None:
    report = {"format": source.format, "before": before.described(), "after": after.described(), **done}
    report |= {"skipped": source.skipped, "left_out": dict(source.left_out), "clamped": source.clamped}
    report |= {"unknown_fields": dict(source.unknown_fields)}
    if flags["as_json"]:
        print_json({**report, "output": str(flags["out"])})
        return
    sessions = f"{before.sessions} sessions -> {after.sessions}"
    say(f"{source.format}: {before.requests} requests -> {after.requests}, {sessions}")
    for name, value in {**done, "skipped": source.skipped, "clamped": source.clamped, **source.left_out}.items():
        if value:
            say(f"  {name.replace('_', ' ')}: {value}")
    was, now = before.reuse(), after.reuse()
    if was is not None and now is not None and was != now:
        say(f"  prefix reuse by tokens: {was:.1%} -> {now:.1%}")


class _Count:
    """What passes by."""

    def __init__(self) -> None:
        self.requests = 0
        self._sessions: set[str] = set()
        self._reuse = PrefixReuse()

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    def through(self, rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
        for row in rows:
            self.requests += 1
            self._reuse.add(row)
            if row.session_id is not None:
                self._sessions.add(row.session_id)
            yield row

    def all(self, rows: Iterable[TraceRow]) -> None:
        for _ in self.through(rows):
            pass

    def reuse(self) -> float | None:
        found = self._reuse.described()
        return None if found is None else found["token_weighted"]

    def described(self) -> dict[str, Any]:
        return {"requests": self.requests, "sessions": self.sessions, "prefix_reuse": self._reuse.described()}
