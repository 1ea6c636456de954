"""`imaxproxy cost`: the cost of an operating point, at a utilisation, against what its tokens sell for."""

from dataclasses import dataclass
from typing import Any

from imaxproxy.economics.assumption import stated
from imaxproxy.economics.cost import FULL_LOAD, Drawn, Rates, run_cost
from imaxproxy.economics.fleet import fleet_of
from imaxproxy.economics.formulas import tokens_per_usd
from imaxproxy.economics.owner import Owner
from imaxproxy.economics.revenue import Return, TokenPrices, break_even_price
from imaxproxy.economics.terms import OWN, Terms, table_owner
from imaxproxy.errors import UsageError

SCHEMA = "imaxproxy.cost/1"


@dataclass(frozen=True, slots=True)
class Point:
    """Where the deployment works: on what, and how much it makes."""

    gpu: str
    gpus: int
    rates: Rates
    """Of the whole deployment."""
    cached_share: float = 0.0
    """Of the input tokens."""
    tps_per_user: float | None = None
    simulated: bool = False
    drawn: Drawn | None = None


@dataclass(frozen=True, slots=True)
class Business:
    """How busy it is, and what is paid for its tokens."""

    utilisation: float = 1.0
    sells: TokenPrices | None = None
    margin: float = 0.0
    """That the break-even price should leave."""
    megawatts: float | None = None
    """Of provisioned power as the price's table counts it: what a fleet of that size would serve."""

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise UsageError(f"--utilisation is a share above 0, at most 1, not {self.utilisation:g}")
        if not self.margin < 1:
            raise UsageError(f"--margin is a share below 1, not {self.margin:g}")
        if self.megawatts is not None and self.megawatts <= 0:
            raise UsageError(f"--megawatts is above 0, not {self.megawatts:g}")


def calculate(point: Point, terms: Terms, business: Business) -> dict[str, Any]:
    """All of it as one object. Raises UsageError for a price or a GPU that the table does not have."""
    cost = run_cost(point.gpu, point.gpus, point.rates, terms, drawn=point.drawn)
    u = business.utilisation
    busy_share = (
        FULL_LOAD if u == 1 else stated("utilisation", u, "share of time at this operating point", "--utilisation")
    )
    keys = ("usd_per_million_total_tokens", "usd_per_million_output_tokens", "usd_per_million_input_tokens")
    busy: dict[str, float | None] = {key: _over(cost[key], u) for key in keys}
    return {
        "schema": SCHEMA,
        "simulated": point.simulated,
        "gpus": point.gpus,
        "tokens_per_s": {
            "total": point.rates.total_tokens,
            "output": point.rates.output_tokens,
            "input": point.rates.input_tokens,
        },
        "cost": cost,
        "utilisation": busy_share.as_dict(),
        "at_utilisation": busy
        | {"tokens_per_usd": tokens_per_usd(busy["usd_per_million_total_tokens"])}
        | {f"break_even_{key}": break_even_price(busy[key], business.margin) for key in keys[:2]},
        "margin_wanted": business.margin,
        "return": None if business.sells is None else _return(point, terms, business, cost),
        "fleet": None if business.megawatts is None else _fleet(point, business.megawatts, cost),
    }


def _return(point: Point, terms: Terms, business: Business, cost: dict[str, Any]) -> dict[str, Any]:
    assert business.sells is not None
    output, given = point.rates.output_tokens, point.rates.input_tokens
    if output is None or given is None:
        raise UsageError("revenue needs the rates of input and of output tokens: two of total, output and input")
    per_hour = business.sells.usd_per_hour(given, output, point.cached_share, business.utilisation)
    owner, hour = _owner(point, terms), cost["owner"]
    spent_usd = cost["usd_per_gpu_hour"] * point.gpus
    capital_usd = hour["capital_usd_per_gpu_hour"] * point.gpus if hour else 0.0
    fixed_usd = owner.fixed_usd_per_gpu_year * point.gpus / 8760 / owner.availability if owner else 0.0
    made = Return(
        revenue_usd_per_hour=per_hour,
        cost_usd_per_hour=spent_usd,
        capex_usd=owner.capex_usd_per_gpu * point.gpus if owner else 0.0,
        running_usd_per_hour=spent_usd - capital_usd + fixed_usd,
        years=owner.years if owner else 1.0,
    )
    return made.as_dict() | {
        "sells_usd_per_million": {
            "input": business.sells.input_usd,
            "cached_input": business.sells.cached_usd,
            "output": business.sells.output_usd,
        },
        "cached_share": point.cached_share,
    }


def _owner(point: Point, terms: Terms) -> Owner | None:
    if terms.price != OWN:
        return None
    return terms.owner or table_owner(point.gpu.lower())[0]


def _fleet(point: Point, megawatts: float, cost: dict[str, Any]) -> dict[str, Any]:
    if cost["kw_per_gpu"] is None:
        raise UsageError(f"--megawatts needs the power of a GPU, and that of {point.gpu} is not in the table")
    output = point.rates.per_gpu(point.gpus).output_tokens
    fleet = fleet_of(megawatts, cost["kw_per_gpu"], cost["usd_per_gpu_hour"], output, point.tps_per_user)
    return fleet.as_dict() | {"megawatts": megawatts, "power_boundary": cost["power_boundary"]}


def _over(usd: object, utilisation: float) -> float | None:
    return usd / utilisation if isinstance(usd, float) else None
