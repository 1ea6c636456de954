"""What tokens bring in, and whether that pays: revenue, margin, return, break-even.

Revenue as on InferenceX's fleet page (2026-09): input at one price, its cached part at another, output at a third.
"""

from dataclasses import asdict, dataclass

from imaxproxy.economics.owner import HOURS_PER_YEAR
from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """What a customer pays for a million tokens, in USD."""

    input_usd: float
    output_usd: float
    cached_usd: float | None = None
    """Input tokens found in the prefix cache; None: they cost what others do."""

    def __post_init__(self) -> None:
        if self.input_usd < 0 or self.output_usd < 0 or (self.cached_usd or 0) < 0:
            raise UsageError("the price of a token is not below 0")

    def usd_per_hour(
        self, input_tokens_per_s: float, output_tokens_per_s: float, cached_share: float = 0.0, utilisation: float = 1.0
    ) -> float:
        """Revenue of a deployment in an hour.

            3600 u (in (1 - hit) p_in + in hit p_cached + out p_out) / 1e6

        Rates of the whole deployment.  cached_share: `hit`, of the input tokens.  utilisation: `u`, mean load as a
        share of this operating point.
        """
        cached_usd = self.input_usd if self.cached_usd is None else self.cached_usd
        paid_in = input_tokens_per_s * ((1 - cached_share) * self.input_usd + cached_share * cached_usd)
        return 3600 * utilisation * (paid_in + output_tokens_per_s * self.output_usd) / 1e6


@dataclass(frozen=True, slots=True)
class Return:
    """A deployment's revenue against its cost, over its life."""

    revenue_usd_per_hour: float
    cost_usd_per_hour: float
    """All of it, capital included."""
    capex_usd: float
    running_usd_per_hour: float
    """The cost without the capital: room, power, staff; in a cloud all of the cost, for nothing was bought."""
    years: float

    @property
    def margin(self) -> float | None:
        """(revenue - cost) / revenue; None without revenue."""
        if not self.revenue_usd_per_hour:
            return None
        return 1 - self.cost_usd_per_hour / self.revenue_usd_per_hour

    @property
    def revenue_over_life_usd(self) -> float:
        return self.revenue_usd_per_hour * HOURS_PER_YEAR * self.years

    @property
    def revenue_per_capex(self) -> float | None:
        """NVIDIA's "15x": revenue over the life / capex, no other cost taken off. None where nothing was bought."""
        return self.revenue_over_life_usd / self.capex_usd if self.capex_usd else None

    @property
    def roi(self) -> float | None:
        """(revenue - running cost - capex) / capex over the life, without interest. None where nothing was bought."""
        if not self.capex_usd:
            return None
        running_usd = self.running_usd_per_hour * HOURS_PER_YEAR * self.years
        return (self.revenue_over_life_usd - running_usd - self.capex_usd) / self.capex_usd

    @property
    def payback_years(self) -> float | None:
        """capex / (revenue - running cost) a year; None where it never pays back, or nothing was bought."""
        surplus_usd = (self.revenue_usd_per_hour - self.running_usd_per_hour) * HOURS_PER_YEAR
        return self.capex_usd / surplus_usd if surplus_usd > 0 and self.capex_usd else None

    @property
    def break_even_utilisation(self) -> float | None:
        """The share of this revenue that covers the cost: above 1 it cannot. None without revenue.

        Costs are held to be the same at any load: what electricity an idle GPU saves is not counted.
        """
        return self.cost_usd_per_hour / self.revenue_usd_per_hour if self.revenue_usd_per_hour else None

    def as_dict(self) -> dict[str, float | None]:
        """All figures, by name."""
        return {
            **asdict(self),
            "margin": self.margin,
            "revenue_over_life_usd": self.revenue_over_life_usd,
            "revenue_per_capex": self.revenue_per_capex,
            "roi": self.roi,
            "payback_years": self.payback_years,
            "break_even_utilisation": self.break_even_utilisation,
        }


def break_even_price(usd_per_million: float | None, margin: float = 0.0) -> float | None:
    """The price of a million tokens that leaves `margin` of itself: usd_per_million / (1 - margin). None when unknown.

    Raises ValueError for a margin of 1 or more: no price leaves that.
    """
    if margin >= 1:
        raise ValueError(f"a margin is below 1, not {margin}")
    return None if usd_per_million is None else usd_per_million / (1 - margin)
