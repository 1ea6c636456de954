"""`imaxproxy cost` as people read it: figures first, then everything they rest on."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imaxproxy.economics import Assumption, Example, gpu_facts, gpu_kinds, load_price, quotes
from imaxproxy.economics.price import TENURES, generations
from imaxproxy.errors import UsageError

_UNKNOWN = "–"


def print_cost(console: Console, result: dict[str, Any]) -> None:
    """One operating point: the cost of tokens, electricity, revenue, fleet; then the assumptions."""
    cost, busy = result["cost"], result["at_utilisation"]
    mark = "  [bold magenta]SIMULATED[/]" if result["simulated"] else ""
    utilisation = result["utilisation"]["value"]
    table = _table(f"{cost['gpus']} x {cost['gpu']} at ${cost['usd_per_gpu_hour']:.4g} a GPU-hour{mark}", 44)
    table.add_column("total tokens", justify="right")
    table.add_column("output tokens", justify="right")
    table.add_column("input tokens", justify="right")
    rates = result["tokens_per_s"]
    table.add_row("tokens/s, the whole deployment", *(_rate(rates[name]) for name in ("total", "output", "input")))
    _usd_row(table, "USD per million, at full load", cost)
    if utilisation != 1:
        _usd_row(table, f"USD per million, {utilisation:.0%} utilised", busy)
    _break_even_row(table, busy, result["margin_wanted"])
    if cost["power"] is not None:
        _power_rows(table, cost)
    console.print(table)
    if cost["owner"] is not None:
        parts = ", ".join(f"{name.split('_')[0]} ${usd:.4g}" for name, usd in cost["owner"].items())
        console.print(f"a GPU-hour of the owner's: {parts}")
    if result["return"] is not None:
        console.print(_return(result["return"]))
    if result["fleet"] is not None:
        console.print(_fleet(result["fleet"]))
    console.print("\nassumptions")
    assumptions = [Assumption(**each) for each in cost["assumptions"] if each["name"] != "utilisation"]
    for each in [*assumptions, Assumption(**result["utilisation"])]:
        console.print(f"  {escape(str(each))}")
    console.print(f"[yellow]note[/]  {cost['note']}")


def print_example(console: Console, example: Example) -> None:
    """A claim with the arithmetic behind it."""
    console.print(f"[bold]{escape(example.claim)}[/]\n  {escape(example.source)}, {example.as_of}")
    for title, assumptions in (("given", example.given), ("free assumptions", example.free)):
        if assumptions:
            console.print(f"\n{title}")
            for each in assumptions:
                console.print(f"  {escape(str(each))}")
    table = _table("what follows", 50)
    table.add_column("", justify="right")
    table.add_column("")
    for step in example.steps:
        table.add_row(step.name, f"{step.value:,.4g}", step.unit)
    console.print()
    console.print(table)
    console.print(escape(example.verdict))


def print_hardware(console: Console) -> None:
    """The whole of the dated table."""
    for kind in gpu_kinds():
        table = _table(kind, 40)
        table.add_column("", justify="right")
        table.add_column("unit")
        table.add_column("source, day", overflow="fold")
        for fact in [*gpu_facts(kind), *_prices(kind)]:
            when = fact.as_of or "undated"
            table.add_row(fact.name, f"{fact.value:,.10g}", fact.unit, escape(f"{fact.source}, {when}"))
        console.print(table)


def _prices(kind: str) -> list[Assumption]:
    found = []
    for generation in generations():
        for tenure in TENURES[:3]:
            try:
                price = load_price(kind, tenure, generation)
            except UsageError:  # generation D has no neocloud prices
                continue
            named = f"{generation}/{tenure}"
            found.append(Assumption(named, price.usd_per_gpu_hour, "USD/GPU-hour", price.as_of, price.source))
        power = load_price(kind, "hyperscaler", generation)
        found.append(
            Assumption(
                f"{generation} power, {power.kw_boundary}", power.kw_per_gpu, "kW/GPU", power.kw_as_of, power.kw_source
            )
        )
    return found + [
        Assumption("on_demand", row["usd_per_gpu_hour"], "USD/GPU-hour", str(row["as_of"]), row["source"])
        for row in quotes(kind)
    ]


def _table(title: str, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(title, min_width=width, overflow="fold")
    return table


def _usd_row(table: Table, name: str, usd: dict[str, Any]) -> None:
    table.add_row(name, *(_usd(usd[f"usd_per_million_{what}_tokens"]) for what in ("total", "output", "input")))


def _break_even_row(table: Table, busy: dict[str, Any], margin: float) -> None:
    named = f"price that leaves a margin of {margin:.0%}" if margin else "price that breaks even"
    table.add_row(named, *(_usd(busy[f"break_even_usd_per_million_{what}_tokens"]) for what in ("total", "output")), "")


def _power_rows(table: Table, cost: dict[str, Any]) -> None:
    power, electricity = cost["power"], cost["electricity"]
    for boundary in ("it", "facility"):
        if power[f"{boundary}_kw_per_gpu"] is not None:
            rates = (power[f"{what}_tokens_per_s_per_{boundary}_mw"] for what in ("total", "output"))
            name = f"tokens/s per provisioned {'IT' if boundary == 'it' else boundary} MW"
            table.add_row(f"{name} ({power[f'{boundary}_kw_per_gpu']:.4g} kW/GPU)", *map(_rate, rates), "")
    usd = (electricity[f"usd_per_million_{what}_tokens"] for what in ("total", "output"))
    table.add_row(f"of it electricity, USD per million, {electricity['basis']}", *map(_usd, usd), "")


def _return(made: dict[str, Any]) -> str:
    sells = made["sells_usd_per_million"]
    text = (
        f"sold at ${sells['input']:g} in and ${sells['output']:g} out a million: ${made['revenue_usd_per_hour']:,.2f} "
        f"an hour for ${made['cost_usd_per_hour']:,.2f}, margin {_share(made['margin'])}, breaks even at "
        f"{_share(made['break_even_utilisation'])} of that load"
    )
    if made["capex_usd"]:
        payback = "never" if made["payback_years"] is None else f"after {made['payback_years']:.2f} years"
        text += (
            f"; over {made['years']:g} years {made['revenue_per_capex']:,.2f} x the capital in revenue, ROI "
            f"{made['roi']:,.2f}, pays back {payback}"
        )
    return text


def _fleet(fleet: dict[str, Any]) -> str:
    users = "an unknown number of" if fleet["users"] is None else f"{fleet['users']:,}"
    return (
        f"{fleet['megawatts']:g} MW: {fleet['gpus']:,} GPUs, {users} streams at once, ${fleet['usd_per_month']:,.0f} a "
        f"month ({fleet['power_boundary']})"
    )


def _usd(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.4f}" if value < 1 else f"{value:,.2f}"


def _rate(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _share(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.1%}"
