"""The `cost` object of summary.json: what tokens cost at an operating point, every assumption beside it."""

from dataclasses import dataclass

from imaxproxy.economics.assumption import Assumption
from imaxproxy.economics.formulas import (
    electricity_usd_per_million_tokens,
    provisioned_j_per_token,
    tokens_per_s_per_mw,
    usd_per_million_tokens,
)
from imaxproxy.economics.terms import Paid, Terms

NOTE = (
    "Every GPU is paid for all the time, at this run's throughput. As in InferenceX the output (and the input) tokens "
    "are each charged the full GPU, so these do not add up to the figure for all tokens. Electricity is part of the "
    "price, not on top of it."
)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a whole deployment made in a second; None where not known."""

    total_tokens: float | None
    """Input and output."""
    output_tokens: float | None
    requests: float | None = None

    @property
    def input_tokens(self) -> float | None:
        if self.total_tokens is None or self.output_tokens is None:
            return None
        return self.total_tokens - self.output_tokens

    def per_gpu(self, gpus: int) -> "Rates":
        """Each divided by the GPUs."""
        return Rates(_over(self.total_tokens, gpus), _over(self.output_tokens, gpus), _over(self.requests, gpus))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Energy that was measured over the run, in joules a token; None where not known."""

    boundary: str
    """What the joules are of: "board", "it", ..."""
    j_per_total_token: float | None
    j_per_output_token: float | None


def run_cost(
    gpu_kind: str,
    gpus: int,
    whole: Rates,
    terms: Terms,
    *,
    steady: Rates | None = None,
    drawn: Drawn | None = None,
) -> dict[str, object]:
    """The `cost` object. Rates are of the whole deployment of `gpus` GPUs, over the run and over its steady window.

    drawn: the energy that was measured; None: electricity is reckoned from what is provisioned, and says so.
    Raises UsageError for a GPU or a price that the table does not have, ValueError for fewer than one GPU.
    """
    if gpus < 1:
        raise ValueError(f"a deployment has at least 1 GPU, not {gpus}")
    paid = terms.pay(gpu_kind)
    per_gpu = whole.per_gpu(gpus)
    assumptions = [*paid.assumptions, FULL_LOAD]
    cost: dict[str, object] = {
        "basis": paid.basis,
        **_paid_fields(paid),
        "gpus": gpus,
        **_usd(paid.usd_per_gpu_hour, per_gpu),
        "total_tokens_per_s_per_mw": None,
        "output_tokens_per_s_per_mw": None,
        "steady": None if steady is None else _usd(paid.usd_per_gpu_hour, steady.per_gpu(gpus)),
        "power": None,
        "electricity": None,
        "owner": None if paid.hour is None else _owner_fields(paid),
    }
    if paid.power is not None:
        cost |= {
            "total_tokens_per_s_per_mw": tokens_per_s_per_mw(per_gpu.total_tokens, paid.power.kw_per_gpu),
            "output_tokens_per_s_per_mw": tokens_per_s_per_mw(per_gpu.output_tokens, paid.power.kw_per_gpu),
        }
        pue, power_price = terms.facility(paid.gpu_kind), terms.power_price()
        cost["power"] = _power(paid, per_gpu, pue.value)
        cost["electricity"] = _electricity(paid, per_gpu, pue.value, power_price.value, drawn)
        overhead = [pue] if paid.power.kw_boundary == "it" or drawn is not None else []
        assumptions += [paid.power.kw_assumption(), *overhead, power_price]
    return cost | {"assumptions": [each.as_dict() for each in assumptions], "note": NOTE}


FULL_LOAD = Assumption(
    "utilisation", 1.0, "share of time at this operating point", None, "InferenceX's convention; see `imaxproxy cost`"
)


def _paid_fields(paid: Paid) -> dict[str, object]:
    return {
        "gpu": paid.gpu_kind,
        "usd_per_gpu_hour": paid.usd_per_gpu_hour,
        "kw_per_gpu": paid.power.kw_per_gpu if paid.power else None,
        "tenure": paid.tenure,
        "price_generation": paid.generation,
        "price_as_of": paid.as_of,
        "price_source": paid.source,
        "power_boundary": paid.power.boundary if paid.power else None,
    }


def _usd(usd_per_gpu_hour: float, per_gpu: Rates) -> dict[str, float | None]:
    per_request = usd_per_million_tokens(usd_per_gpu_hour, per_gpu.requests)
    return {
        "usd_per_million_total_tokens": usd_per_million_tokens(usd_per_gpu_hour, per_gpu.total_tokens),
        "usd_per_million_output_tokens": usd_per_million_tokens(usd_per_gpu_hour, per_gpu.output_tokens),
        "usd_per_million_input_tokens": usd_per_million_tokens(usd_per_gpu_hour, per_gpu.input_tokens),
        "usd_per_thousand_requests": None if per_request is None else per_request / 1000,
    }


def _power(paid: Paid, per_gpu: Rates, pue: float) -> dict[str, object]:
    """Provisioned power at both boundaries. A source that says facility only leaves IT unknown: it names no PUE."""
    assert paid.power is not None
    is_it = paid.power.kw_boundary == "it"
    it_kw = paid.power.kw_per_gpu if is_it else None
    facility_kw = paid.power.kw_per_gpu * pue if is_it else paid.power.kw_per_gpu
    return {
        "pue": pue if is_it else None,
        "it_kw_per_gpu": it_kw,
        "facility_kw_per_gpu": facility_kw,
        "total_tokens_per_s_per_it_mw": None if it_kw is None else tokens_per_s_per_mw(per_gpu.total_tokens, it_kw),
        "output_tokens_per_s_per_it_mw": None if it_kw is None else tokens_per_s_per_mw(per_gpu.output_tokens, it_kw),
        "total_tokens_per_s_per_facility_mw": tokens_per_s_per_mw(per_gpu.total_tokens, facility_kw),
        "output_tokens_per_s_per_facility_mw": tokens_per_s_per_mw(per_gpu.output_tokens, facility_kw),
        "provisioned_j_per_total_token": provisioned_j_per_token(per_gpu.total_tokens, paid.power.kw_per_gpu),
        "provisioned_j_per_output_token": provisioned_j_per_token(per_gpu.output_tokens, paid.power.kw_per_gpu),
    }


def _electricity(paid: Paid, per_gpu: Rates, pue: float, usd_per_kwh: float, drawn: Drawn | None) -> dict[str, object]:
    """What of the price is power, of what was measured where that is known."""
    assert paid.power is not None
    if drawn is None:
        of_total = provisioned_j_per_token(per_gpu.total_tokens, paid.power.kw_per_gpu)
        of_output = provisioned_j_per_token(per_gpu.output_tokens, paid.power.kw_per_gpu)
        basis, boundary = "provisioned", paid.power.kw_boundary
    else:
        of_total, of_output = drawn.j_per_total_token, drawn.j_per_output_token
        basis, boundary = "measured", drawn.boundary
    overhead = 1.0 if boundary == "facility" else pue
    return {
        "basis": basis,
        "boundary": boundary,
        "usd_per_kwh": usd_per_kwh,
        "pue": overhead,
        "usd_per_million_total_tokens": electricity_usd_per_million_tokens(of_total, usd_per_kwh, overhead),
        "usd_per_million_output_tokens": electricity_usd_per_million_tokens(of_output, usd_per_kwh, overhead),
    }


def _owner_fields(paid: Paid) -> dict[str, float]:
    assert paid.hour is not None
    return {
        "capital_usd_per_gpu_hour": paid.hour.capital_usd,
        "colocation_usd_per_gpu_hour": paid.hour.colocation_usd,
        "electricity_usd_per_gpu_hour": paid.hour.electricity_usd,
    }


def _over(amount: float | None, gpus: int) -> float | None:
    return None if amount is None else amount / gpus
