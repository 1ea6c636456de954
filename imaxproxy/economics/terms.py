"""On which terms a GPU-hour and its power are paid: what `--price`, `--power-price`, `--pue` say, and the defaults."""

import math
from dataclasses import dataclass, replace
from typing import Any

from imaxproxy.economics.assumption import Assumption, stated
from imaxproxy.economics.hardware import load_gpu
from imaxproxy.economics.owner import Owner, OwnersHour
from imaxproxy.economics.price import TENURES, Price, load_price, newest_generation
from imaxproxy.economics.table import day, table
from imaxproxy.errors import UsageError

OWN = "own"
GIVEN = "given"
DEFAULT_PRICE = "hyperscaler"
_OWNERS_WORD = "owner's terms, free to change"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user said; None where the table decides."""

    price: str = DEFAULT_PRICE
    """A tenure, GENERATION/TENURE, a number of USD a GPU-hour, or `own`."""
    usd_per_kwh: float | None = None
    pue: float | None = None
    owner: Owner | None = None
    """Goes with `own`; None: capital cost and room from the table, paid off evenly over 4 years."""
    is_price_given: bool = True
    """False where no one chose the price, and so the default is an assumption like others."""

    def __post_init__(self) -> None:
        _checked(self.price)
        if self.usd_per_kwh is not None and not 0 <= self.usd_per_kwh < math.inf:
            raise UsageError(f"--power-price is USD a kWh, such as 0.08, not {self.usd_per_kwh:g}")
        if self.pue is not None and not 1 <= self.pue < math.inf:
            raise UsageError(f"--pue is facility power over IT power, 1 or more, not {self.pue:g}")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "Terms":
        """From a command's flags or a manifest's settings. Raises UsageError for what none of them may be."""
        price = settings.get("price")
        try:
            return cls(
                price=DEFAULT_PRICE if price is None else str(price),
                usd_per_kwh=_number(settings.get("power_price")),
                pue=_number(settings.get("pue")),
                is_price_given=price is not None,
            )
        except (TypeError, ValueError) as error:
            raise UsageError(f"--power-price and --pue are numbers: {error}") from error

    def or_else(self, settings: dict[str, Any]) -> "Terms":
        """These, with what they leave open as `settings` (of a run that was played before) have it."""
        played = Terms.of(settings)
        return replace(
            self,
            price=self.price if self.is_price_given else played.price,
            is_price_given=self.is_price_given or played.is_price_given,
            usd_per_kwh=played.usd_per_kwh if self.usd_per_kwh is None else self.usd_per_kwh,
            pue=played.pue if self.pue is None else self.pue,
        )

    def power_price(self) -> Assumption:
        """USD a kWh."""
        if self.usd_per_kwh is not None:
            return stated("power price", self.usd_per_kwh, "USD/kWh", "--power-price")
        return _default("power price", "power_price", "usd_per_kwh", "USD/kWh")

    def facility(self, gpu_kind: str | None) -> Assumption:
        """The PUE: given, or what the GPU's cooling is reckoned with. Raises UsageError for an unknown GPU."""
        if self.pue is not None:
            return stated("PUE", self.pue, "facility/IT power", "--pue")
        cooling = load_gpu(gpu_kind).cooling if gpu_kind else "air"
        return _default(f"PUE, {cooling} cooling", f"pue_{cooling}", "pue", "facility/IT power")

    def pay(self, gpu_kind: str) -> "Paid":
        """What a GPU-hour costs on these terms. Raises UsageError for a GPU or a price that the table does not have.

        A price that is given as a number holds for a GPU that the table does not know, too; its power is unknown then.
        """
        if _as_number(self.price) is not None:
            return self._given(gpu_kind)
        if self.price == OWN:
            return self._owned(gpu_kind)
        generation, _, tenure = self.price.rpartition("/")
        price = load_price(gpu_kind, tenure, generation or None)
        return Paid(
            basis="provisioned",
            gpu_kind=price.gpu_kind,
            usd_per_gpu_hour=price.usd_per_gpu_hour,
            tenure=tenure,
            generation=price.generation,
            as_of=price.as_of,
            source=price.source,
            power=price,
            assumptions=(price.assumptions()[0],),
        )

    def _given(self, gpu_kind: str) -> "Paid":
        usd = float(self.price)
        known = gpu_kind.lower() in table()["gpu"]
        return Paid(
            basis="provisioned",
            gpu_kind=gpu_kind.lower(),
            usd_per_gpu_hour=usd,
            tenure=GIVEN,
            generation=None,
            as_of=None,
            source="given by --price",
            power=load_price(gpu_kind) if known else None,
            assumptions=(stated(f"{gpu_kind} price", usd, "USD/GPU-hour", "--price"),),
        )

    def _owned(self, gpu_kind: str) -> "Paid":
        power = load_price(gpu_kind, generation=newest_generation())
        owner, assumptions = (self.owner, owner_given(self.owner)) if self.owner else table_owner(power.gpu_kind)
        pue, power_price = self.facility(power.gpu_kind), self.power_price()
        hour = owner.cost(power.kw_per_gpu, pue.value, power_price.value)
        return Paid(
            basis="owned",
            gpu_kind=power.gpu_kind,
            usd_per_gpu_hour=hour.usd,
            tenure=OWN,
            generation=None,
            as_of=None,
            source="the owner's cost, from the assumptions",
            power=power,
            assumptions=tuple(assumptions),
            hour=hour,
        )


@dataclass(frozen=True, slots=True)
class Paid:
    """One GPU-hour, paid for: how much, by whose word, and what power goes with it."""

    basis: str
    """"provisioned": by the hour, busy or not; "owned": from capital, room and power."""
    gpu_kind: str
    usd_per_gpu_hour: float
    tenure: str
    generation: str | None
    as_of: str | None
    source: str
    power: Price | None
    """Whose `kw_per_gpu` counts; None where the GPU is not in the table."""
    assumptions: tuple[Assumption, ...]
    hour: OwnersHour | None = None
    """The parts of the owner's hour."""


def table_owner(gpu_kind: str) -> tuple[Owner, list[Assumption]]:
    """The owner that the table makes up for a GPU, and on what. Raises UsageError where no capital cost is known."""
    row = table()["capex"].get(gpu_kind)
    if row is None:
        known = ", ".join(table()["capex"])
        raise UsageError(f"no capital cost of {gpu_kind} is known (of {known}): give `imaxproxy cost --capex USD`")
    room = _default("colocation", "colocation", "usd_per_kw_month", "USD/kW-month of IT power")
    owner = Owner(capex_usd_per_gpu=row["usd_per_gpu"], colocation_usd_per_kw_month=room.value)
    what = f"{row['source']}; {row['boundary']}"
    capex = Assumption(f"{gpu_kind} capital cost", row["usd_per_gpu"], "USD/GPU", day(row["as_of"]), what)
    return owner, [capex, room, *_owners_terms(owner)]


def owner_given(owner: Owner) -> list[Assumption]:
    """What an owner's cost rests on where the user said all of it."""
    return [
        stated("capital cost", owner.capex_usd_per_gpu, "USD/GPU", "--capex"),
        Assumption("colocation", owner.colocation_usd_per_kw_month, "USD/kW-month of IT power", None, _OWNERS_WORD),
        *_owners_terms(owner),
    ]


def _owners_terms(owner: Owner) -> list[Assumption]:
    ours = _OWNERS_WORD
    return [
        Assumption("life", owner.years, "years", None, ours),
        Assumption("cost of capital", owner.interest, "share a year", None, ours),
        Assumption("residual value", owner.residual, "share of capex", None, ours),
        Assumption("fixed cost", owner.fixed_usd_per_gpu_year, "USD/GPU-year", None, ours),
        Assumption("power drawn", owner.drawn_share, "share of provisioned", None, ours),
        Assumption("availability", owner.availability, "share of hours", None, ours),
    ]


def _checked(price: str) -> None:
    number = _as_number(price)
    if number is not None:
        if not 0 < number < math.inf:
            raise UsageError(f"--price is above 0 USD a GPU-hour, not {price}")
        return
    generation, _, tenure = price.rpartition("/")
    if price != OWN and tenure not in TENURES:
        raise UsageError(
            f"--price is a number of USD a GPU-hour, one of {', '.join(TENURES)}, own, or GENERATION/TENURE such as "
            f"A/hyperscaler, not {price!r}"
        )
    if generation and generation not in table()["price"]:
        raise UsageError(f"--price {price}: no generation {generation!r}; known: {', '.join(table()['price'])}")


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def _default(name: str, row: str, key: str, unit: str) -> Assumption:
    found = table()["default"][row]
    return Assumption(name, found[key], unit, day(found["as_of"]), found["source"])
