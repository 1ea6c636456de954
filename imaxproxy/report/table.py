"""A summary as people read it: one plain table, on a terminal or in a pipe."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imaxproxy.report.energy import energy_rows
from imaxproxy.report.engine_lines import engine_lines
from imaxproxy.report.shares import share_lines

LATENCIES: tuple[tuple[str, str], ...] = (
    ("ttft_ms", "TTFT"),
    ("ttfo_ms", "TTFO"),
    ("itl_ms", "ITL"),
    ("tpot_ms", "TPOT"),
    ("e2e_ms", "E2E"),
    ("ttft_from_schedule_ms", "TTFT from schedule"),
    ("e2e_from_schedule_ms", "E2E from schedule"),
)
COLUMNS: tuple[tuple[str, str], ...] = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9"))
_UNKNOWN = "–"
_LENGTHS_WITHIN = 0.005
"""Prompts that are so much longer or shorter in all than the trace says, as a share, are worth a note."""


def print_summary(console: Console, summary: dict[str, Any], where: str) -> None:
    """Latencies, throughput, cost and the meter's health; every simulated figure under a mark that says so."""
    mark = "  [bold magenta]SIMULATED[/]" if summary["simulated"] else ""
    console.print()
    if summary["simulated"]:
        console.print("[bold magenta]SIMULATED: no GPU was measured, the engine is a model of one[/]")
    console.print(_facts([("requests", _requests(summary) + mark)]))
    console.print(_latency_table(summary, mark))
    facts = [(name, text + mark) for name, text in _machine(summary)]
    facts += [(name, text + mark) for name, text in energy_rows(summary["energy"])]
    facts += [(name, text + mark) for name, text in _slo(summary["slo"])]
    facts += [("engine", escape(line) + mark) for line in engine_lines(summary["engine"])]
    facts += [("machines", escape(line)) for line in share_lines(summary.get("shares"))]
    facts.append(("meter", _meter(summary["meter"], summary["send_lag_ms"])))
    facts += [
        ("", f"[bold red]not to be believed as it stands:[/] {escape(why)}") for why in summary["meter"]["reasons"]
    ]
    facts += [("[yellow]note[/]", escape(note)) for note in notes_of(summary)]
    console.print(_facts([*facts, ("run", escape(where))]))


def _facts(rows: list[tuple[str, str]]) -> Table:
    """Names left, texts beside them; a long text wraps under itself."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(name, text)
    return grid


def _requests(summary: dict[str, Any]) -> str:
    requests = summary["requests"]
    parts = [f"[bold]{requests['sent']:,}[/] sent", f"[green]{requests['completed']:,}[/] completed"]
    for name in ("failed", "truncated", "aborted"):
        count = requests[name]
        parts.append(f"[bold red]{count:,}[/] {name}" if count and name != "aborted" else f"{count:,} {name}")
    line = ", ".join(parts) + f" in {summary['duration_s']:.1f} s"
    errors = ", ".join(f"{escape(kind)} x {count:,}" for kind, count in requests["by_error"].items())
    return f"{line}  [red]({errors})[/]" if errors else line


def _latency_table(summary: dict[str, Any], mark: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, caption_justify="left")
    table.add_column(f"what users felt{mark}", min_width=22)
    for _, title in COLUMNS:
        table.add_column(title, justify="right")
    table.add_column("mean", justify="right")
    table.add_column("count", justify="right")
    for key, title in LATENCIES:
        stats = summary[key]
        if stats["count"]:
            cells = [_ms(stats[column]) for column, _ in COLUMNS]
            table.add_row(f"{title} ms", *cells, _ms(stats["mean"]), f"{stats['count']:,}")
    if summary["tpot_ms"]["count"]:
        stats = summary["tps_per_user"]
        table.add_row("tokens/s per user", *_slow_tail(summary), _rate(stats["mean"]), f"{stats['count']:,}")
        table.caption = "tokens/s per user = 1/TPOT; its tail is the slow one: 99 % reached or beat its p99"
    return table


def _slow_tail(summary: dict[str, Any]) -> list[str]:
    """For a rate the bad tail is the low one, and the inverse of a slow TPOT is exactly that."""
    tpots_ms = [summary["tpot_ms"][column] for column, _ in COLUMNS]
    return [_rate(1000 / tpot_ms if tpot_ms else None) for tpot_ms in tpots_ms]


def _machine(summary: dict[str, Any]) -> list[tuple[str, str]]:
    throughput, tokens = summary["throughput"], summary["tokens"]
    return [
        ("per GPU", _per_second(throughput, "_per_gpu")),
        ("in all", _per_second(throughput, "")),
        (
            "tokens",
            f"{_count(tokens['input'])} in ({_count(tokens['cached'])} cached), {_count(tokens['output'])} out "
            f"({_count(tokens['reasoning'])} reasoning), {_counted(tokens)}",
        ),
        ("cost", _cost(summary["cost"], summary["engine"] or {})),
        *_power(summary["cost"]),
    ]


def _per_second(throughput: dict[str, float | None], suffix: str) -> str:
    output = _rate(throughput[f"output_tokens_per_s{suffix}"])
    total = _rate(throughput[f"total_tokens_per_s{suffix}"])
    return f"{output} output tokens/s, {total} input + output"


def _counted(tokens: dict[str, Any]) -> str:
    """By whom. Of answers whose tokens nobody told none is in these figures: an event is never taken for a token."""
    if tokens["counted_by"] == "events":
        return "where the engine told them" if tokens["output"] else "told by nobody"
    return f"counted by {tokens['counted_by'] or 'nobody'}"


def _cost(cost: dict[str, Any] | None, engine: dict[str, Any]) -> str:
    if cost is None and engine.get("gpu") and engine.get("gpus"):
        return f"unknown: no price for {escape(str(engine['gpu']))} is known"
    if cost is None:
        return "unknown: no GPU is named (--gpu and --gpus, or a recipe)"
    total, output = cost["usd_per_million_total_tokens"], cost["usd_per_million_output_tokens"]
    return (
        f"${_usd(output)} per million output tokens, ${_usd(total)} input + output; {cost['basis']}: {cost['gpus']} x "
        f"{cost['gpu']} at ${cost['usd_per_gpu_hour']:.4g}/h ({_tenure(cost)})"
    )


def _tenure(cost: dict[str, Any]) -> str:
    """Who pays, and since when the price holds; what the user gave has no day."""
    if cost["price_as_of"] is None and cost["price_generation"] is None:
        return str(cost["tenure"])
    return f"{cost['tenure']}, {cost['price_as_of'] or 'undated'}"


def _power(cost: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What a megawatt would make, at which boundary, and what of the price is electricity."""
    if cost is None or cost["power"] is None:
        return []
    power, electricity = cost["power"], cost["electricity"]
    pue = "" if power["pue"] is None else f" at PUE {power['pue']:g}"
    rate = _rate(power["output_tokens_per_s_per_facility_mw"])
    return [
        (
            "",
            f"{rate} output tokens/s per provisioned facility MW ({power['facility_kw_per_gpu']:.3g} kW/GPU{pue}); "
            f"electricity ${_usd(electricity['usd_per_million_output_tokens'])} of it, {electricity['basis']}, at "
            f"${electricity['usd_per_kwh']:g}/kWh",
        )
    ]


def _slo(slo: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Each objective with what was reached, then all of them at once."""
    if slo is None:
        return []
    verdict = "[bold green]met[/]" if slo["met"] else "[bold red]NOT MET[/]"
    parts = [f"{part['objective']}: {_fine_share(part['share'])} within{_between(part)}" for part in slo["objectives"]]
    goodput = "unknown" if slo["goodput_per_s"] is None else f"{slo['goodput_per_s']:.2f} requests/s"
    at_once = f"all at once: {_fine_share(slo['attainment'])} of {slo['requests']:,} requests, goodput {goodput}"
    if slo["unjudged"]:
        at_once += f", {slo['unjudged']:,} not to be judged (left early, no stream, tokens unknown)"
    return [("SLO", f"{verdict} ({slo['window']}): {escape('; '.join(parts))}"), ("", at_once)]


def _between(objective: dict[str, Any]) -> str:
    """The share's 95 % interval; nothing for a run that was summed up before there was one."""
    if objective.get("share_low") is None:
        return ""
    return f" (95 %: {_fine_share(objective['share_low'])} to {_fine_share(objective['share_high'])})"


def _meter(meter: dict[str, Any], send_lag_ms: dict[str, Any]) -> str:
    verdict = "[bold green]valid[/]" if meter["valid"] else "[bold red]NOT VALID[/]"
    lag = meter["loop_lag_ms"]
    parts = [
        f"CPU {_share(meter['cpu_share'])} of a core",
        f"loop lag p50 {_ms(lag['p50'])}, p99 {_ms(lag['p99'])} ms",
        *_stamps(meter),
        f"{_share(meter['coalesced_event_share'])} of events shared a read",
    ]
    if send_lag_ms["count"]:
        parts.append(f"send lag p50 {_ms(send_lag_ms['p50'])}, p99 {_ms(send_lag_ms['p99'])} ms")
    if meter["offered_rate"] is not None and meter["achieved_rate"] is not None:
        parts.append(f"sent {meter['achieved_rate']:.2f} of {meter['offered_rate']:.2f} requests/s")
    return f"{verdict}: " + "; ".join(parts + _steady(meter))


def _stamps(meter: dict[str, Any]) -> list[str]:
    """Who stamped, where it was not the loop alone. A run of an earlier version does not say."""
    stamped, lag = meter.get("stamped_by"), meter.get("read_lag_ms")
    if not stamped or not lag or not lag["count"]:
        return []
    share = _share(stamped["kernel"] / sum(stamped.values()))
    return [f"{share} of reads stamped by the kernel, read p50 {_ms(lag['p50'])}, p99 {_ms(lag['p99'])} ms later"]


def _steady(meter: dict[str, Any]) -> list[str]:
    """The steady window's own verdict, where it differs from the whole run's."""
    steady = meter.get("steady")
    if steady is None or steady["valid"] == meter["valid"]:
        return []
    return ["in the steady window valid" if steady["valid"] else f"in the steady window not: {steady['reasons'][0]}"]


def notes_of(summary: dict[str, Any]) -> list[str]:
    """What a reader of the figures has to know beside them; one plain line each."""
    notes = []
    if summary["ended"] == "killed":
        notes.append("the run was killed; this is what had ended by then")
    elif summary["ended"] == "duration":
        notes.append("--duration ended it before its trace did")
    elif summary["ended"] != "finished":
        notes.append(f"the run did not play to its end: {summary['ended']}")
    if uncounted := summary["tokens"]["uncounted_requests"]:
        notes.append(f"{uncounted} answers came without usage: their tokens are unknown and stand in no token metric")
    if resent := summary["requests"].get("resent"):
        notes.append(
            f"{resent} requests were sent a second time, before a byte of an answer came: the journal says why"
        )
    engine, trace = summary.get("engine") or {}, summary.get("trace") or {}
    if (faster := engine.get("time_scale") or 1) != 1:
        notes.append(f"the simulated engine ran {faster:g} times as fast as it would: all times are of its fast clock")
    if engine.get("clock") == "virtual":
        notes.append("time was simulated too: nothing was sent, so nothing of the meter's or the network's is in it")
    if trace.get("skipped"):
        notes.append(f"{trace['skipped']} lines of the trace were skipped as broken")
    if trace.get("clamped"):
        notes.append(f"{trace['clamped']} lengths of 0 in the trace were sent as 1")
    lengths = summary.get("prompt_lengths") or {}
    if abs((lengths.get("counted_over_planned") or 1) - 1) > _LENGTHS_WITHIN:
        notes.append(
            f"prompts were {lengths['counted_over_planned']:.3f} times as long as the trace says (worst: "
            f"{lengths['worst_error_tokens']:+,} tokens): --calibrate or --tokenizer makes them exact"
        )
    if warmup := summary.get("cache_warmup"):
        failed = f", {warmup['failed']} of them failed: those caches are cold" if warmup["failed"] else ""
        notes.append(
            f"{warmup['requests']} requests of {warmup['input_tokens']:,} tokens filled caches in "
            f"{warmup['duration_s']:.1f} s and stand in no figure{failed}"
        )
    if trace.get("below_overhead"):
        notes.append(f"{trace['below_overhead']} prompts should be shorter than the chat template alone: one word each")
    if trace.get("idle_cut_s"):
        notes.append(f"--max-idle-gap cut {trace['idle_cut_s']:,.1f} s of waiting out of the trace")
    if trace.get("system_idle_cut_s"):
        notes.append(f"--system-idle-cap cut {trace['system_idle_cut_s']:,.1f} s in which nothing was in flight")
    if missing := trace.get("answers_missing"):
        turns = trace["live_turns"] + missing
        notes.append(f"{missing} of {turns} live turns went on without the engine's answer: it had given none")
    if (summary.get("window_method") or {}).get("settled") is False:
        notes.append("the number in flight never came to a level: what is called steady here is not")
    return notes


def _ms(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def _rate(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _usd(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.4f}" if value < 1 else f"{value:.2f}"


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _fine_share(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.1%}"


def _share(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0%}"
