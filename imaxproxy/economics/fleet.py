"""What a megawatt, or a number of GPUs, would serve: InferenceX's fleet planner (`fleet.ts`, 2026-08-15)."""

import math
from dataclasses import asdict, dataclass

from imaxproxy.economics.formulas import HOURS_PER_MONTH


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet that runs at the operating point all the time."""

    gpus: int
    users: int | None
    """Streams at once; None where the interactivity or the output rate is not known."""
    usd_per_month: float

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def fleet_of(
    megawatts: float,
    kw_per_gpu: float,
    usd_per_gpu_hour: float,
    output_tokens_per_s_per_gpu: float | None = None,
    tps_per_user: float | None = None,
) -> Fleet:
    """gpus = floor(MW * 1000 / kW); users = floor(gpus * output rate / tokens/s a user); $ a month = gpus * $/h * 730.

    Raises ValueError for a power that is not above 0.
    """
    if megawatts <= 0 or kw_per_gpu <= 0:
        raise ValueError(f"a fleet needs power: {megawatts} MW of {kw_per_gpu} kW a GPU")
    gpus = math.floor(megawatts * 1000 / kw_per_gpu)
    known = output_tokens_per_s_per_gpu is not None and tps_per_user
    users = math.floor(gpus * output_tokens_per_s_per_gpu / tps_per_user) if known else None  # type: ignore[operator]
    return Fleet(gpus, users, gpus * usd_per_gpu_hour * HOURS_PER_MONTH)
