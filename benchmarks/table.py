"""The runs as Markdown: medians with their spread, each cost beside what was reported and what was true."""

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.proxies import VALID
from benchmarks.proxy_case import ProxyResult
from benchmarks.rig import PHASES

Results = dict[str, list[Any]]
Get = Callable[[Any], float | None]


def document(facts: dict[str, Any], results: Results, failed: Sequence[Any]) -> str:
    parts = [
        heading(facts),
        shape(facts) if results["proxy"] or results["player"] else "",
        *(proxies(phases, runs) for phases in PHASES if (runs := by_phases(results["proxy"], phases))),
        rates(results["requests"]) if results["requests"] else "",
        *(players(phases, runs) for phases in PHASES if (runs := by_phases(results["player"], phases))),
        start_ups(results["startup"], results["help"]) if results["startup"] or results["help"] else "",
        memory(results["memory"]) if results["memory"] else "",
        targets(results),
        failures(failed),
        noise(facts, results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def values(runs: Sequence[Any], get: Get) -> list[float]:
    return [value for run in runs if (value := get(run)) is not None]


def middle(runs: Sequence[Any], get: Get, digits: int = 2) -> str:
    found = values(runs, get)
    return f"{median(found):.{digits}f}" if found else "–"


def spread(runs: Sequence[Any], get: Get, form: str = ".1f") -> str:
    """The median, and the least and the most beside it."""
    found = values(runs, get)
    return f"{median(found):{form}} ({min(found):{form}} to {max(found):{form}})" if found else "–"


def ratio(runs: Sequence[Any], of: Sequence[Any], get: Get) -> float | None:
    above, below = values(runs, get), values(of, get)
    return median(above) / median(below) if above and below else None


def cases(runs: Sequence[Any]) -> Iterable[tuple[int, str, list[Any]]]:
    """(streams, name, runs), in the order in which they were measured first."""
    for streams, name in dict.fromkeys((run.streams, run.name) for run in runs):
        yield streams, name, [run for run in runs if (run.streams, run.name) == (streams, name)]


def named(runs: Sequence[Any], streams: int, name: str) -> list[Any]:
    return [run for run in runs if run.streams == streams and run.name == name]


def heading(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    machine = "; ".join(f"{key} {value}" for key, value in facts["machine"].items())
    return f"`{facts['command']}`, {facts['before']['at']}.  \n{machine}. {versions}."


def shape(facts: dict[str, Any]) -> str:
    load = facts["load"]
    return (
        f"Streams of {load['tokens']} tokens, TTFT {load['ttft_ms']:g} ms, then one each {load['itl_ms']:g} ms, "
        f"closed loop, loopback. Medians of {facts['repeats']}, in brackets least and most."
    )


def truth_columns(runs: Sequence[Any]) -> list[str]:
    """Reported (true) of each figure, medians over the runs."""

    def pair(figure: str, digits: int) -> str:
        said = middle(runs, lambda run: getattr(run.reported, figure), digits)
        return f"{said} ({middle(runs, lambda run: getattr(run.truth, figure), digits)})"

    return [
        f"{pair('ttft_p50_ms', 1)} / {pair('ttft_p99_ms', 1)}",
        f"{pair('itl_p50_ms', 2)} / {pair('itl_p99_ms', 2)}",
        pair("tokens", 0),
    ]


TRUTH_HEADS = ["TTFT p50 / p99 ms: said (true)", "ITL p50 / p99 ms: said (true)", "tokens: said (true)"]


def verdict(runs: Sequence[Any]) -> str:
    """How many runs the contestant itself called valid, and why not the others: one of them for example."""
    remarks = [run.remark for run in runs if run.remark]
    doubts = [remark for remark in remarks if remark != VALID]
    if not remarks:
        return "–"
    return f"{VALID} in {len(remarks) - len(doubts)} of {len(remarks)}" + (f"; {doubts[0]}" if doubts else "")


def cpu_us(run: ProxyResult) -> float | None:
    return run.cost.cpu_us if run.cost else None


def by_phases(runs: Sequence[Any], phases: str) -> list[Any]:
    return [run for run in runs if run.phases == phases]


def proxies(phases: str, runs: Sequence[Any]) -> str:
    costs, truths = [], []
    for streams, name, of in cases(runs):
        base, nginx = named(runs, streams, "direct"), named(runs, streams, "nginx")
        times = ratio(of, nginx, cpu_us)
        costs.append(
            [
                str(streams),
                name,
                spread(of, cpu_us),
                f"{times:.2f}" if times else "–",
                middle(of, lambda run: run.cost and 100 * run.cost.system_share, 0),
                middle(of, lambda run: run.cost and 100 * run.cost.core_share, 0),
                *(delay(of, base, get) for get in (lambda run: run.delay_p50_ms, lambda run: run.delay_p99_ms)),
                middle(of, lambda run: 100 * run.rig_share, 0),
                str(sum(run.failed for run in of)),
            ]
        )
        if values(of, lambda run: run.reported.tokens):
            truths.append([str(streams), name, *truth_columns(of), verdict(of)])
    heads = [
        "streams",
        "proxy",
        "CPU µs/event",
        "x nginx",
        "system %",
        "core %",
        "delay p50 ms",
        "delay p99 ms",
        "rig's core %",
        "failed",
    ]
    text = f"### Proxy, phases {phases}\n\n{PHASES[phases].capitalize()}.\n\n" + grid(heads, costs)
    text += (
        "\n\nDelay: from the source's write to the client's read; `direct` has no proxy, + is what a proxy adds to it. "
        "`core %`: the proxy's share of its core; `rig's core %`: that of source and client together."
    )
    if truths:
        text += "\n\n" + grid(["streams", "proxy", *TRUTH_HEADS, "its own verdict"], truths)
    return text


def rates(runs: Sequence[Any]) -> str:
    rows = [
        [
            name,
            spread(of, operator.attrgetter("per_s"), ".0f"),
            spread(of, operator.attrgetter("cpu_us"), ".0f"),
            middle(of, lambda run: 100 * run.core_share, 0),
            *(middle(of, operator.attrgetter(which), 2) for which in ("p50_ms", "p99_ms")),
            str(sum(run.bad for run in of)),
        ]
        for name in dict.fromkeys(run.name for run in runs)
        if (of := [run for run in runs if run.name == name])
    ]
    heads = ["proxy", "requests/s", "CPU µs/request", "core %", "p50 ms", "p99 ms", "failed"]
    return (
        f"### Small requests, not streamed\n\n{runs[0].connections} keep-alive connections, as fast as answers come "
        "(wrk), the proxy alone on its core.\n\n" + grid(heads, rows)
    )


def delay(runs: Sequence[Any], base: Sequence[Any], get: Get) -> str:
    if runs[0].name == "direct" or not base:
        return spread(runs, get, ".3f")
    direct_ms = median(values(base, get))
    return spread(runs, lambda run: (get(run) or 0) - direct_ms, "+.3f")


def players(phases: str, runs: Sequence[Any]) -> str:
    rows = []
    for streams, name, of in cases(runs):
        times = ratio(of, named(runs, streams, "C, only counts"), operator.attrgetter("all_in_us"))
        rows.append(
            [
                str(streams),
                name,
                spread(of, operator.attrgetter("all_in_us")),
                middle(of, lambda run: run.marginal_us, 1),
                f"{times:.1f}" if times else "–",
                middle(of, lambda run: 100 * run.core_share, 0),
                *truth_columns(of),
                verdict(of),
            ]
        )
    heads = ["streams", "client", "all in, CPU µs/event", "marginal", "x C", "core %", *TRUTH_HEADS, "its own verdict"]
    return (
        f"### Player, phases {phases}\n\n{PHASES[phases].capitalize()}.\n\n"
        + grid(heads, rows)
        + "\n\nAll in: CPU time of the whole process, start-up included, over events; "
        "marginal: less that of a run of one request of two tokens. True: the source's own record of that run."
    )


def start_ups(runs: Sequence[Any], helps: Sequence[Any]) -> str:
    rows = [
        [name, *(middle(of, get) for get in (lambda r: r.first_request_s, lambda r: r.wall_s, lambda r: r.cpu_s))]
        for name in dict.fromkeys(run.name for run in runs)
        if (of := [run for run in runs if run.name == name])
    ]
    parts = ["### Start-up"]
    parts += [f"`{run.name}`: median {run.median_s:.3f} s, most {run.max_s:.3f} s." for run in helps]
    if rows:
        heads = ["client", "first request at the source, s", "whole run of one request, s", "its CPU, s"]
        parts.append(grid(heads, rows))
    return "\n\n".join(parts)


def memory(runs: Sequence[Any]) -> str:
    rows = [
        [
            run.name,
            f"{run.streams} x {run.tokens} x {run.itl_ms:g} ms",
            f"{run.cost.peak_rss_mb:.0f}",
            f"{run.cost.cpu_us:.1f}",
            f"{100 * run.cost.core_share:.0f}",
            str(run.failed),
        ]
        for run in runs
    ]
    heads = [
        "proxy",
        "streams x tokens x ITL",
        "peak RSS, MB (VmHWM, all its processes)",
        "CPU µs/event",
        "core %",
        "failed",
    ]
    return "### Memory\n\n" + grid(heads, rows)


PLAYER_TARGETS = ("C, only counts", 2.2), ("SGLang Rust", 0.7), ("vLLM", 0.2), ("AIPerf", 0.05), ("GuideLLM", 0.05)


def targets(results: Results) -> str:
    """The budgets of the design, where this run has the figures for them."""
    found = []
    for phases in PHASES:
        runs = by_phases(results["proxy"], phases)
        got = ratio(named(runs, 100, "imaxproxy"), named(runs, 100, "nginx"), cpu_us)
        found.append((f"proxy at 100 streams, phases {phases}, in nginx's CPU/event", 1.6, got))
    for phases, streams, (peer, most) in (
        (phases, streams, target) for phases in PHASES for streams in (100, 200) for target in PLAYER_TARGETS
    ):
        runs = by_phases(results["player"], phases)
        got = ratio(
            named(runs, streams, "imaxproxy replay"), named(runs, streams, peer), operator.attrgetter("all_in_us")
        )
        found.append((f"player at {streams} streams, phases {phases}, in {peer}'s CPU/event, all in", most, got))
    rows = [
        [what, f"{most:.2f}", f"{got:.2f}", "met" if got <= most else "**missed**"]
        for what, most, got in found
        if got is not None
    ]
    return "### Targets\n\n" + grid(["cost", "at most", "measured", ""], rows) if rows else ""


def failures(failed: Sequence[Any]) -> str:
    if not failed:
        return ""
    times = Counter((one.kind, one.name, str(one.streams or "any"), one.reason) for one in failed)
    rows = [[*one, str(count)] for one, count in times.items()]
    return "### Not measured\n\n" + grid(["what", "contestant", "streams", "why", "times"], rows)


def noise(facts: dict[str, Any], results: Results) -> str:
    before, after = facts["before"], facts["after"]
    took_s = after["monotonic_s"] - before["monotonic_s"]
    stolen_s = after["steal_s"] - before["steal_s"]
    late = values(results["player"], lambda run: run.source_late_max_us / 1000)
    text = (
        f"Noise: load average {before['load_1min']:.2f} before, {after['load_1min']:.2f} after "
        f"(the runs' own load included); "
        f"{stolen_s:.1f} s stolen by the hypervisor in {took_s:.0f} s."
    )
    if late:
        text += f" The source was behind its schedule by at most {max(late):.1f} ms"
        text += f" (median of the runs' worst: {median(late):.1f} ms)."
    return text + " Other work on the machine raises p99 delays first, then spreads."
