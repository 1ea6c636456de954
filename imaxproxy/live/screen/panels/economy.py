"""Energy, cost, objectives and the meter's health: a line or two of each."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.box import joined, labelled
from imaxproxy.live.screen.glyphs import bar
from imaxproxy.live.screen.numbers import figure, milliseconds, percent, whole
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.scene import Scene, figure_style
from imaxproxy.live.snapshot import Block, printable

_NAME_CELLS = 7
Lines = Callable[[Scene, int, bool], list[Text]]
"""Of a scene and a width; True: more than the one line that matters most."""


def economy(scene: Scene, width: int, height: int) -> Content:
    """What a token takes: watts, joules, dollars; and whether the goals are met, and the meter is to be believed."""
    parts = list(_ECONOMY)
    if scene.snapshot.engine is not None and height > len(parts):
        parts.insert(3, engine_lines)
    return Content("Energy, cost, SLO", _that_fit(scene, parts, width, height))


def economy_alone(scene: Scene, width: int, height: int) -> Content:
    """As `economy`, where the engine has a panel of its own."""
    return Content("Energy, cost, SLO", _that_fit(scene, list(_ECONOMY), width, height))


def engine(scene: Scene, width: int, height: int) -> Content:
    """What the engine says of itself."""
    return Content("Engine", engine_lines(scene, width, True))


def _that_fit(scene: Scene, parts: list[Lines], width: int, height: int) -> list[Text]:
    """Each part's first line; then, from the first on, all of its lines while there is room."""
    chosen = [part(scene, width, False) for part in parts]
    for index, part in enumerate(parts):
        full = part(scene, width, True)
        if sum(map(len, chosen)) - len(chosen[index]) + len(full) <= height:
            chosen[index] = full
    lines = [line for part in chosen for line in part]
    blanks = height - len(lines)
    if blanks >= len(parts) - 1:  # room to breathe
        lines = [line for index, part in enumerate(chosen) for line in ([Text(), *part] if index else part)]
    return lines


def power_lines(scene: Scene, width: int, more: bool) -> list[Text]:
    power = scene.snapshot.power
    if power is None:
        return [_unknown("power", "not measured: --power", width)]
    strong = figure_style(scene)
    watts, joules = power.get("watts"), power.get("j_per_output_token")
    lines = [_row("power", _pair(_figure(watts, "W", strong), _figure(joules, "J/tok out", strong), width))]
    if more:
        boards = power.get("boards")
        of = f"{whole(boards)} board{'s' if boards != 1 else ''}" if boards is not None else ""
        lines.append(_row("", _pair(_energy(power.get("energy_j")), Text(of, style=theme.LABEL), width)))
        lines.append(_row("", _figure(power.get("tokens_per_s_per_mw"), "tok/s per MW", theme.PLAIN)))
        source = ", ".join(printable(power[name]) for name in ("boundary", "source") if power.get(name))
        lines.append(_row("", Text(source, style=theme.LABEL)))
    return lines


def cost_lines(scene: Scene, width: int, more: bool) -> list[Text]:
    cost = scene.snapshot.cost
    if cost is None:
        return [_unknown("cost", "no price: --gpu, --price", width)]
    strong = figure_style(scene)
    output = _dollars(cost.get("usd_per_million_output"), "/M out", strong)
    so_far = _dollars(cost.get("usd"), " so far")
    lines = [_row("cost", _pair(output, so_far, width))]
    if more:
        lines.append(_row("", _dollars(cost.get("usd_per_million_total"), "/M in + out")))
        lines.append(_row("", Text(printable(cost.get("price")), style=theme.LABEL)))
    return lines


def slo_lines(scene: Scene, width: int, more: bool) -> list[Text]:
    slo = scene.snapshot.slo
    if slo is None:
        return [_unknown("SLO", "none set: --slo", width)]
    share = slo.get("attainment")
    style = theme.LABEL if share is None else theme.GOOD if share >= 0.99 else theme.WARN if share >= 0.9 else theme.BAD
    text = f"{percent(share):>6} "
    cells = max(width - _NAME_CELLS - len(text), 0)
    gauge = bar(share or 0.0, min(cells, 24), style, theme.BORDER) if cells >= 4 else Text()
    lines = [_row("SLO", joined([Text(text, style=f"bold {style}"), gauge]))]
    if more:
        met = f"{whole(slo.get('met'))} of {whole(slo.get('of'))} met"
        good = _figure(slo.get("goodput_requests_per_s"), "good requests/s", theme.PLAIN)
        lines.append(_row("", _pair(Text(met, style=theme.LABEL), good, width)))
        lines.append(_row("", Text(printable(slo.get("text")), style=theme.LABEL)))
    return lines


def engine_lines(scene: Scene, width: int, more: bool) -> list[Text]:
    engine = scene.snapshot.engine
    if engine is None:
        return [_unknown("engine", "its /metrics are not read: --engine-metrics", width)]
    kv = engine.get("kv_usage")
    style = theme.BAD if kv is not None and kv >= 0.95 else theme.WARN if kv is not None and kv >= 0.8 else theme.GOOD
    running = f"{whole(engine.get('running'))} run {whole(engine.get('waiting'))} wait "
    text = f" {percent(kv)} KV"
    cells = width - _NAME_CELLS - len(running) - len(text)
    gauge = bar(kv or 0.0, min(cells, 24), style, theme.BORDER) if cells >= 4 else Text()
    lines = [_row("engine", joined([running, gauge, text]))]
    if more:
        hits = labelled(percent(engine.get("prefix_hit_share")), "prefix hits", theme.PLAIN)
        lines.append(_row("", _pair(hits, _figure(engine.get("preemptions"), "preemptions", theme.PLAIN), width)))
        if engine.get("accepted_per_step") is not None:
            lines.append(_row("", _figure(engine["accepted_per_step"], "tokens accepted a step", theme.PLAIN)))
        if (age_s := engine.get("age_s")) is not None and age_s > 5:
            lines.append(_row("", Text(f"read {age_s:.0f} s ago", style=theme.WARN)))
    return lines


def meter_lines(scene: Scene, width: int, more: bool) -> list[Text]:
    meter = scene.snapshot.meter
    valid = meter.get("valid")
    word = Text("–", theme.LABEL) if valid is None else Text("valid", theme.GOOD)
    if valid is False:
        word = Text("NOT VALID", theme.ALARM)
    lag = Block.of(meter.get("loop_lag_ms"))
    cpu = labelled(percent(meter.get("cpu_share")), "cpu", theme.PLAIN)
    late = labelled(f"{milliseconds(lag.p99)} ms", "lag p99", theme.PLAIN)
    facts = [word, cpu, late]
    while len(facts) > 1 and sum(each.cell_len + 2 for each in facts) - 2 > width - _NAME_CELLS:
        facts.pop()
    lines = [_row("meter", Text("  ").join(facts))]
    if more:
        lines += _meter_more(meter, width)
    reasons = [Text(f"✗ {printable(why)}", style=theme.BAD) for why in meter.get("reasons") or ()]
    return lines + (reasons if more else [])


def _meter_more(meter: Mapping[str, Any], width: int) -> list[Text]:
    send = Block.of(meter.get("send_lag_ms"))
    coalesced = labelled(percent(meter.get("coalesced_event_share")), "events came together", theme.PLAIN)
    lines = [_row("", coalesced)]
    if send.count:
        lines.append(_row("", labelled(f"{milliseconds(send.p99)} ms", "send lag p99", theme.PLAIN)))
    if meter.get("offered_rate") is not None:
        rates = f"{figure(meter.get('achieved_rate'))} of {figure(meter['offered_rate'])}"
        lines.append(_row("", labelled(rates, "requests/s asked", theme.PLAIN)))
    return lines


def _row(name: str, text: Text) -> Text:
    return joined([Text(f"{name:<{_NAME_CELLS}}", style=theme.LABEL), text])


def _unknown(name: str, why: str, width: int) -> Text:
    return _row(name, Text(f"– {why}" if width >= 20 else "–", style=theme.LABEL))


def _pair(first: Text, second: Text, width: int) -> Text:
    """Both where there is room, in two columns; else the first."""
    room = width - _NAME_CELLS
    column = max(first.cell_len + 2, min(13, room - second.cell_len))
    if column + second.cell_len > room:
        return first
    return joined([first, " " * (column - first.cell_len), second])


def _figure(value: float | None, unit: str, style: str) -> Text:
    return labelled(figure(value), unit, style)


def _dollars(value: float | None, unit: str, style: str = theme.PLAIN) -> Text:
    return Text.assemble((f"${figure(value)}" if value is not None else "–", style), (unit, theme.LABEL))


def _energy(joules: float | None) -> Text:
    if joules is None:
        return Text("–")
    for unit, size in (("MJ", 1e6), ("kJ", 1e3)):
        if joules >= size:
            return labelled(figure(joules / size), unit, theme.PLAIN)
    return labelled(figure(joules), "J", theme.PLAIN)


_ECONOMY: tuple[Lines, ...] = (power_lines, cost_lines, slo_lines, meter_lines)
