"""The joules of a run as its cost wants them: measured, believed, and of all that computes where that is known."""

from typing import Any

from imaxproxy.economics import Drawn


def drawn_of(energy: dict[str, Any] | None, window: str = "whole") -> Drawn | None:
    """From the `energy` object; None where nothing valid was measured over that window.

    Boards are what is measured. Where the table knows the rest of the GPU's share (host, network, fans), its
    provisioned power is added, and the boundary is `it`; else it stays the boards'.
    """
    part = ((energy or {}).get("windows") or {}).get(window)
    if energy is None or part is None or not part["valid"] or not part["power_w"]:
        return None
    it_w = part["it_power_w"]
    scale, boundary = (it_w / part["power_w"], "it") if it_w is not None else (1.0, energy["boundary"])
    return Drawn(boundary, _scaled(part["j_per_total_token"], scale), _scaled(part["j_per_output_token"], scale))


def _scaled(joules: float | None, scale: float) -> float | None:
    return None if joules is None else joules * scale
