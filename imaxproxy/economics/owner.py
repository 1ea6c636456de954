"""What a GPU-hour costs who owns the GPU: capital, room and power, each with its assumption."""

import math
from dataclasses import dataclass

from imaxproxy.errors import UsageError

HOURS_PER_YEAR = 8760


def capital_recovery(interest: float, years: float) -> float:
    """The share of a sum that is due each year, so that it is paid off with interest after `years`.

        r (1 + r)^n / ((1 + r)^n - 1), and 1/n without interest

    Any textbook of engineering economics. Raises ValueError for years not above 0 or interest below 0.
    """
    if years <= 0 or interest < 0:
        raise ValueError(f"{years} years at {interest} interest: years are above 0, interest is not below 0")
    if interest == 0:
        return 1 / years
    # The same divided by (1 + r)^n; expm1 and log1p keep what an interest near 0 would lose.
    return interest / -math.expm1(-years * math.log1p(interest))


@dataclass(frozen=True, slots=True)
class Owner:
    """Who buys the GPU and pays for its place and power."""

    capex_usd_per_gpu: float
    """The GPU with its share of server and network, or what of it is meant to be counted."""
    years: float = 4.0
    """InferenceX's owners keep theirs 4 years."""
    interest: float = 0.0
    """A year's cost of capital as a share: 0.1 is 10 %. 0 is straight-line depreciation."""
    residual: float = 0.0
    """What is left of the capex at the end, as a share of it."""
    fixed_usd_per_gpu_year: float = 0.0
    """Staff, support, insurance."""
    colocation_usd_per_kw_month: float = 0.0
    """Of IT power provisioned; 0 for who has a building."""
    drawn_share: float = 1.0
    """Mean power drawn, as a share of what is provisioned."""
    availability: float = 1.0
    """Hours in which the GPU can work, as a share of all."""

    def __post_init__(self) -> None:
        for name in ("capex_usd_per_gpu", "years", "drawn_share", "availability"):
            if getattr(self, name) <= 0:
                raise UsageError(f"an owner's {name} is above 0, not {getattr(self, name):g}")
        for name in ("interest", "residual", "fixed_usd_per_gpu_year", "colocation_usd_per_kw_month"):
            if getattr(self, name) < 0:
                raise UsageError(f"an owner's {name} is not below 0, it is {getattr(self, name):g}")
        if self.residual > 1 or self.availability > 1:
            raise UsageError("an owner's residual and availability are shares: at most 1")

    def cost(self, it_kw_per_gpu: float, pue: float, usd_per_kwh: float) -> "OwnersHour":
        """A GPU-hour, by its parts.

            capital     = (capex (CRF - residual CRF / (1 + r)^n) + fixed) / (8760 availability)
            colocation  = it_kw_per_gpu * usd_per_kw_month * 12 / 8760
            electricity = it_kw_per_gpu * drawn_share * pue * usd_per_kwh

        CRF: `capital_recovery`. What remains at the end is worth (1 + r)^-n of itself today.
        """
        recovery = capital_recovery(self.interest, self.years)
        kept = self.residual * recovery / (1 + self.interest) ** self.years
        yearly = self.capex_usd_per_gpu * (recovery - kept) + self.fixed_usd_per_gpu_year
        return OwnersHour(
            capital_usd=yearly / (HOURS_PER_YEAR * self.availability),
            colocation_usd=it_kw_per_gpu * self.colocation_usd_per_kw_month * 12 / HOURS_PER_YEAR,
            electricity_usd=it_kw_per_gpu * self.drawn_share * pue * usd_per_kwh,
        )


@dataclass(frozen=True, slots=True)
class OwnersHour:
    """What one GPU-hour costs its owner, in USD."""

    capital_usd: float
    colocation_usd: float
    electricity_usd: float

    @property
    def usd(self) -> float:
        """All of it."""
        return self.capital_usd + self.colocation_usd + self.electricity_usd
