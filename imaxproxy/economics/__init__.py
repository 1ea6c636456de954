"""Dated hardware and price tables, and what a run's tokens cost."""

from imaxproxy.economics.assumption import Assumption, stated
from imaxproxy.economics.calculation import Business, Point, calculate
from imaxproxy.economics.cost import Drawn, Rates, run_cost
from imaxproxy.economics.examples import EXAMPLES, Example, nvidia_15x, two_cents
from imaxproxy.economics.fleet import Fleet, fleet_of
from imaxproxy.economics.formulas import (
    electricity_usd_per_million_tokens,
    provisioned_j_per_token,
    tokens_per_s_per_mw,
    tokens_per_usd,
    usd_per_million_tokens,
)
from imaxproxy.economics.frontier import Axis, Estimate, Frontier, IsoRow, Spot, iso_table
from imaxproxy.economics.hardware import Gpu, gpu_facts, gpu_kinds, load_gpu
from imaxproxy.economics.owner import Owner, OwnersHour, capital_recovery
from imaxproxy.economics.price import TENURES, Price, generations, load_price, newest_generation, quotes
from imaxproxy.economics.revenue import Return, TokenPrices, break_even_price
from imaxproxy.economics.terms import OWN, Paid, Terms, table_owner

__all__ = [
    "EXAMPLES",
    "OWN",
    "TENURES",
    "Assumption",
    "Axis",
    "Business",
    "Drawn",
    "Estimate",
    "Example",
    "Fleet",
    "Frontier",
    "Gpu",
    "IsoRow",
    "Owner",
    "OwnersHour",
    "Paid",
    "Point",
    "Price",
    "Rates",
    "Return",
    "Spot",
    "Terms",
    "TokenPrices",
    "break_even_price",
    "calculate",
    "capital_recovery",
    "electricity_usd_per_million_tokens",
    "fleet_of",
    "generations",
    "gpu_facts",
    "gpu_kinds",
    "iso_table",
    "load_gpu",
    "load_price",
    "newest_generation",
    "nvidia_15x",
    "provisioned_j_per_token",
    "quotes",
    "run_cost",
    "stated",
    "table_owner",
    "tokens_per_s_per_mw",
    "tokens_per_usd",
    "two_cents",
    "usd_per_million_tokens",
]
