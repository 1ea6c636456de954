"""What a GPU costs an hour, and what power is provisioned for it: dated, with its source, by who pays."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from imaxproxy.economics.assumption import Assumption
from imaxproxy.economics.hardware import load_gpu
from imaxproxy.economics.table import day, table
from imaxproxy.errors import UsageError

TENURES = ("hyperscaler", "neocloud", "rental", "on_demand")
"""Who pays: owning at hyperscaler prices, owning at a large neocloud's, a 3-year lease, a cloud's price by the hour."""
ON_DEMAND = "on_demand"
QUOTES = "quotes"
"""The generation of cloud prices by the hour: a market, not a model of costs."""


@dataclass(frozen=True, slots=True)
class Price:
    """What one GPU costs an hour and what power is provisioned for it: dated, with its source."""

    gpu_kind: str
    tenure: str
    generation: str
    as_of: str | None
    """Of the price; None where its source has no date."""
    source: str
    boundary: str
    """What `kw_per_gpu` holds, in the source's words."""
    usd_per_gpu_hour: float
    kw_per_gpu: float
    kw_as_of: str
    kw_source: str
    kw_boundary: str
    """"it" (chip, its share of host and network) or "facility" (cooling and losses as well)."""

    def assumptions(self) -> list[Assumption]:
        """Both figures, with source and day."""
        return [
            Assumption(
                f"{self.gpu_kind} price, {self.tenure}", self.usd_per_gpu_hour, "USD/GPU-hour", self.as_of, self.source
            ),
            self.kw_assumption(),
        ]

    def kw_assumption(self) -> Assumption:
        """The provisioned power, with source and day."""
        name = f"{self.gpu_kind} provisioned power, {self.kw_boundary}"
        return Assumption(name, self.kw_per_gpu, "kW/GPU", self.kw_as_of, self.kw_source)


def generations() -> list[str]:
    """Of prices by tenure, in the table's order."""
    return list(table()["price"])


def newest_generation() -> str:
    """The newest generation of prices that has a date; an undated one is taken only when asked for."""
    dated: dict[str, date] = {name: prices["as_of"] for name, prices in table()["price"].items() if "as_of" in prices}
    return max(dated, key=lambda name: dated[name])


def load_price(gpu_kind: str, tenure: str = "hyperscaler", generation: str | None = None) -> Price:
    """The price of one GPU. Raises UsageError for an unknown GPU, tenure or generation, or a price never published.

    on_demand is the newest quote; its power is that of the newest generation, for a quote has none.
    """
    gpu = load_gpu(gpu_kind)
    if tenure not in TENURES:
        raise UsageError(f"unknown price {tenure!r}; known: {', '.join(TENURES)}")
    if tenure == ON_DEMAND:
        return _quoted(gpu.kind, generation)
    name = generation or newest_generation()
    prices = table()["price"].get(name)
    if prices is None:
        raise UsageError(f"unknown price generation {name!r}; known: {', '.join(generations())}")
    row = prices["gpu"][gpu.kind]
    if tenure not in row:
        known = ", ".join(each for each in TENURES if each in row)
        raise UsageError(f"generation {name} has no {tenure} price for {gpu.kind}; it has {known}")
    as_of = day(prices.get("price_as_of", prices.get("as_of")))
    return _price(gpu.kind, tenure, name, row[tenure], as_of, prices["source"], prices)


def quotes(gpu_kind: str) -> list[dict[str, Any]]:
    """All cloud quotes of one GPU, the oldest first."""
    found = [row for row in table()["quote"] if row["gpu"] == gpu_kind]
    return sorted(found, key=lambda row: day(row["as_of"]) or "")


def _quoted(gpu_kind: str, generation: str | None) -> Price:
    if generation is not None:
        raise UsageError(f"{ON_DEMAND} prices are quotes, they have no generation {generation!r}")
    found = quotes(gpu_kind)
    if not found:
        raise UsageError(f"no {ON_DEMAND} quote for {gpu_kind} is known; give a number of USD a GPU-hour")
    newest = found[-1]
    power = table()["price"][newest_generation()]
    return _price(
        gpu_kind, ON_DEMAND, QUOTES, newest["usd_per_gpu_hour"], day(newest["as_of"]), newest["source"], power
    )


def _price(
    gpu_kind: str, tenure: str, generation: str, usd: float, as_of: str | None, source: str, power: dict[str, Any]
) -> Price:
    return Price(
        gpu_kind=gpu_kind,
        tenure=tenure,
        generation=generation,
        as_of=as_of,
        source=source,
        boundary=power["boundary"],
        usd_per_gpu_hour=usd,
        kw_per_gpu=power["gpu"][gpu_kind]["kw"],
        kw_as_of=power["kw_as_of"].isoformat(),
        kw_source=power["kw_source"],
        kw_boundary=power["kw_boundary"],
    )
