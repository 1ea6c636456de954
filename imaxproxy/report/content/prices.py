"""What a report's costs are reckoned with: for each GPU the prices that the table has, and the one taken first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imaxproxy.economics import OWN, Assumption, Owner, Paid, Terms
from imaxproxy.economics.price import TENURES
from imaxproxy.economics.terms import table_owner
from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class GpuPrices:
    """One kind of GPU."""

    gpu: str
    taken: str
    """The tenure that is taken first, `own`, or `given`."""
    usd_per_gpu_hour: float | None
    """Of it; None where no price is known."""
    offers: tuple[Mapping[str, Any], ...]
    """Each `tenure`, `usd_per_gpu_hour`, `as_of`, `source`."""
    kw_per_gpu: float | None
    kw_boundary: str | None
    kw_source: str | None
    pue: Assumption | None
    owner: Owner | None
    """What owning one is reckoned with; None where no capital cost is known."""


@dataclass(frozen=True, slots=True)
class Prices:
    """All GPUs of a report, and the price of power."""

    gpus: tuple[GpuPrices, ...]
    power: Assumption


def prices_for(gpus: Iterable[str], terms: Terms) -> Prices:
    """GPUs may be ones that the table does not know: they have no price then, unless the terms give a number.

    Raises UsageError where the terms were chosen and a GPU does not have that price.
    """
    return Prices(tuple(_gpu(gpu, terms) for gpu in dict.fromkeys(gpus)), terms.power_price())


def _gpu(gpu: str, terms: Terms) -> GpuPrices:
    paid = _paid(gpu, terms, is_chosen=terms.is_price_given)
    offers = tuple(
        {
            "tenure": tenure,
            "usd_per_gpu_hour": found.usd_per_gpu_hour,
            "as_of": found.as_of,
            "source": found.source,
        }
        for tenure in TENURES
        if (found := _paid(gpu, Terms(tenure), is_chosen=False)) is not None
    )
    power = paid.power if paid is not None else None
    return GpuPrices(
        gpu=gpu,
        taken=OWN if terms.price == OWN else paid.tenure if paid is not None else "given",
        usd_per_gpu_hour=None if paid is None else paid.usd_per_gpu_hour,
        offers=offers,
        kw_per_gpu=power.kw_per_gpu if power else None,
        kw_boundary=power.kw_boundary if power else None,
        kw_source=f"{power.kw_source}, {power.kw_as_of}" if power else None,
        pue=terms.facility(gpu) if power else None,
        owner=terms.owner or _owner(gpu),
    )


def _paid(gpu: str, terms: Terms, *, is_chosen: bool) -> Paid | None:
    try:
        return terms.pay(gpu)
    except UsageError:
        if is_chosen:
            raise
        return None


def _owner(gpu: str) -> Owner | None:
    try:
        return table_owner(gpu.lower())[0]
    except UsageError:
        return None
