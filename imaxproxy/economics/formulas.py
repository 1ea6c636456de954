"""The formulas of money and power, one function each: those of InferenceX's dashboard, and the join with joules.

`createChartDataPoint` of InferenceX-app (2026-04-03, unchanged 2026-08-15) unless a docstring says otherwise.
"""

J_PER_KWH = 3.6e6
HOURS_PER_MONTH = 730
"""InferenceX's month."""


def usd_per_million_tokens(usd_per_gpu_hour: float, tokens_per_s_per_gpu: float | None) -> float | None:
    """Dollars for a million tokens.

        usd = usd_per_gpu_hour / 3600 / tokens_per_s_per_gpu * 1e6

    None when the throughput is unknown or zero: no token was made, so none has a price.
    """
    if not tokens_per_s_per_gpu:
        return None
    return usd_per_gpu_hour / 3600 / tokens_per_s_per_gpu * 1e6


def tokens_per_s_per_mw(tokens_per_s_per_gpu: float | None, kw_per_gpu: float) -> float | None:
    """Tokens/s a provisioned megawatt: tokens_per_s_per_gpu * 1000 / kw_per_gpu. None when unknown."""
    if tokens_per_s_per_gpu is None:
        return None
    return tokens_per_s_per_gpu * 1000 / kw_per_gpu


def provisioned_j_per_token(tokens_per_s_per_gpu: float | None, kw_per_gpu: float) -> float | None:
    """Joules a token if all that is provisioned were drawn: kw_per_gpu * 1000 / tokens_per_s_per_gpu.

    2 to 5 times what boards were measured to draw. None when the throughput is unknown or zero.
    """
    return kw_per_gpu * 1000 / tokens_per_s_per_gpu if tokens_per_s_per_gpu else None


def electricity_usd_per_million_tokens(j_per_token: float | None, usd_per_kwh: float, pue: float) -> float | None:
    """What the power of a million tokens costs: j_per_token * 1e6 / 3.6e6 * pue * usd_per_kwh. None when unknown.

    j_per_token: of the IT equipment; the facility's overhead comes with `pue`.
    """
    return None if j_per_token is None else j_per_token * 1e6 / J_PER_KWH * pue * usd_per_kwh


def tokens_per_usd(usd_per_million: float | None) -> float | None:
    """Tokens that one dollar buys: 1e6 / usd_per_million. None when unknown or free."""
    return 1e6 / usd_per_million if usd_per_million else None
