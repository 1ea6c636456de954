"""What a window's joules come to: for each token, each request, each watt and megawatt, at stated boundaries."""

from dataclasses import dataclass
from typing import Any

from imaxproxy.economics import Assumption, Terms, load_gpu, load_price
from imaxproxy.errors import UsageError
from imaxproxy.metrics import per_second
from imaxproxy.power import WindowEnergy
from imaxproxy.runs.window_tally import Counts

_W_PER_KW, _W_PER_MW = 1e3, 1e6


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Watts beyond the boards: which are known, and by whose word."""

    gpus: int
    rated_w: float | None
    """TDP of all counted boards."""
    rest_w: float | None
    """Host, network and fans that go with the boards: provisioned IT power less TDP. None: not known for this GPU."""
    pue: float
    assumptions: tuple[Assumption, ...]

    @classmethod
    def of(cls, gpu_kind: str | None, gpus: int, terms: Terms) -> "Boundaries":
        """gpu_kind: None, or one that the table does not have, leaves all but the PUE unknown."""
        try:
            gpu = load_gpu(gpu_kind) if gpu_kind else None
            price = load_price(gpu_kind) if gpu_kind else None
        except UsageError:
            gpu = price = None
        pue = terms.facility(gpu_kind if gpu else None)
        if gpu is None or price is None or price.kw_boundary != "it":
            return cls(gpus, gpu.tdp_w * gpus if gpu else None, None, pue.value, (pue,))
        rest_w = max(price.kw_per_gpu * _W_PER_KW - gpu.tdp_w, 0.0) * gpus
        return cls(gpus, gpu.tdp_w * gpus, rest_w, pue.value, (price.kw_assumption(), pue))

    def it_w(self, board_w: float) -> float | None:
        """Measured boards plus what is provisioned for all else that computes."""
        return None if self.rest_w is None else board_w + self.rest_w

    def facility_w(self, board_w: float) -> float | None:
        """With cooling and losses."""
        it_w = self.it_w(board_w)
        return None if it_w is None else it_w * self.pue


@dataclass(frozen=True, slots=True)
class Decoding:
    """Energy of making tokens, and how many, by kind."""

    reasoning_j: float
    reasoning_tokens: float
    answer_j: float
    answer_tokens: float


def window_part(
    energy: WindowEnergy,
    zero_ns: int,
    counts: Counts,
    boundaries: Boundaries,
    decoding: Decoding | None,
    good_requests: int | None,
) -> dict[str, Any]:
    """A member of `energy.windows`. decoding: None where energy was not shared.  good_requests: within the SLO."""
    energy_j, duration_s = energy.energy_j, energy.duration_s
    power_w = per_second(energy_j, duration_s)
    return {
        "start_s": (energy.begin_ns - zero_ns) / 1e9,
        "end_s": (energy.end_ns - zero_ns) / 1e9,
        "duration_s": duration_s,
        "valid": energy.valid,
        "reasons": list(energy.reasons),
        "warnings": list(energy.warnings),
        "energy_j": energy_j,
        "power_w": power_w,
        "method": energy.method,
        "crosscheck": energy.crosscheck,
        "relative_error": energy.relative_error,
        "error_parts": energy.error_parts,
        "it_power_w": None if power_w is None else boundaries.it_w(power_w),
        "facility_power_w": None if power_w is None else boundaries.facility_w(power_w),
        "j_per_output_token": _ratio(energy_j, counts.output_tokens),
        "j_per_total_token": _ratio(energy_j, counts.total_tokens),
        "j_per_request": _ratio(energy_j, counts.completed),
        **_by_kind(decoding),
        "output_tokens_per_s_per_w": _ratio(counts.output_tokens, energy_j),
        "total_tokens_per_s_per_w": _ratio(counts.total_tokens, energy_j),
        "output_tokens_per_s_per_mw": _per_mw(counts.output_tokens, duration_s, power_w, boundaries),
        "total_tokens_per_s_per_mw": _per_mw(counts.total_tokens, duration_s, power_w, boundaries),
        "tdp_share": _ratio(power_w, boundaries.rated_w),
        "goodput_per_s_per_mw": _per_mw(good_requests, duration_s, power_w, boundaries),
    }


def _by_kind(decoding: Decoding | None) -> dict[str, float | None]:
    if decoding is None:
        return dict.fromkeys(("j_per_1000_reasoning_tokens", "j_per_1000_answer_tokens"))
    return {
        "j_per_1000_reasoning_tokens": _ratio(1000 * decoding.reasoning_j, decoding.reasoning_tokens),
        "j_per_1000_answer_tokens": _ratio(1000 * decoding.answer_j, decoding.answer_tokens),
    }


def _per_mw(
    amount: float | None, duration_s: float, board_w: float | None, boundaries: Boundaries
) -> dict[str, float | None]:
    """A rate for each megawatt at the three boundaries."""
    if amount is None or not board_w or duration_s <= 0:
        return dict.fromkeys(("board", "it", "facility"))
    rate = amount / duration_s
    watts = {"board": board_w, "it": boundaries.it_w(board_w), "facility": boundaries.facility_w(board_w)}
    return {name: rate / (power_w / _W_PER_MW) if power_w else None for name, power_w in watts.items()}


def _ratio(amount: float | None, by: float | None) -> float | None:
    return None if amount is None or not by else amount / by
