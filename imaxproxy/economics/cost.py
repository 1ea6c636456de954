"""Provisioned cost: what tokens cost when every GPU is paid for by the hour, busy or not."""

from imaxproxy.economics.hardware import Price, load_price

NOTE = (
    "Provisioned: every GPU paid for by the hour at this run's throughput. As in InferenceX the output (and the input) "
    "tokens are each charged the full GPU, so these figures do not add up to the one for all tokens."
)


def usd_per_million_tokens(usd_per_gpu_hour: float, tokens_per_s_per_gpu: float | None) -> float | None:
    """Dollars for a million tokens (InferenceX dashboard, createChartDataPoint).

        usd = usd_per_gpu_hour / 3600 / tokens_per_s_per_gpu * 1e6

    None when the throughput is unknown or zero: no token was made, so none has a price.
    """
    if not tokens_per_s_per_gpu:
        return None
    return usd_per_gpu_hour / 3600 / tokens_per_s_per_gpu * 1e6


def tokens_per_s_per_mw(tokens_per_s_per_gpu: float | None, kw_per_gpu: float) -> float | None:
    """Tokens/s a provisioned megawatt (same source): tokens_per_s_per_gpu * 1000 / kw_per_gpu. None when unknown."""
    if tokens_per_s_per_gpu is None:
        return None
    return tokens_per_s_per_gpu * 1000 / kw_per_gpu


def provisioned_cost(
    gpu_kind: str,
    gpus: int,
    total_tokens_per_s: float | None,
    output_tokens_per_s: float | None,
    input_tokens_per_s: float | None = None,
    *,
    price: str = "hyperscaler",
    generation: str | None = None,
) -> dict[str, object]:
    """The `cost` object of summary.json. Rates are of the whole deployment of `gpus` GPUs; None where not known.

    price: a tenure of `TENURES`.  generation: of the price table, the newest dated one by default.
    Raises UsageError for an unknown GPU, tenure or generation, ValueError for fewer than one GPU.
    """
    if gpus < 1:
        raise ValueError(f"a deployment has at least 1 GPU, not {gpus}")
    paid = load_price(gpu_kind, price, generation)
    total, output, given = (
        None if rate is None else rate / gpus for rate in (total_tokens_per_s, output_tokens_per_s, input_tokens_per_s)
    )
    return {
        "basis": "provisioned",
        **_price_fields(paid),
        "gpus": gpus,
        "usd_per_million_total_tokens": usd_per_million_tokens(paid.usd_per_gpu_hour, total),
        "usd_per_million_output_tokens": usd_per_million_tokens(paid.usd_per_gpu_hour, output),
        "usd_per_million_input_tokens": usd_per_million_tokens(paid.usd_per_gpu_hour, given),
        "total_tokens_per_s_per_mw": tokens_per_s_per_mw(total, paid.kw_per_gpu),
        "output_tokens_per_s_per_mw": tokens_per_s_per_mw(output, paid.kw_per_gpu),
        "note": NOTE,
    }


def _price_fields(paid: Price) -> dict[str, object]:
    return {
        "gpu": paid.gpu_kind,
        "usd_per_gpu_hour": paid.usd_per_gpu_hour,
        "kw_per_gpu": paid.kw_per_gpu,
        "tenure": paid.tenure,
        "price_generation": paid.generation,
        "price_as_of": paid.as_of.isoformat() if paid.as_of else None,
        "price_source": paid.source,
        "power_boundary": paid.boundary,
    }
