"""A run's energy as people read it: each figure with its boundary, its error and its window."""

from typing import Any

from rich.markup import escape

from imaxproxy.power import MEANINGS

Row = tuple[str, str]
_UNKNOWN = "–"


def energy_rows(energy: dict[str, Any] | None) -> list[Row]:
    """Names and texts; none for a run whose power nobody asked for."""
    if energy is None:
        return []
    if energy["windows"] is None:
        return [("energy", f"unknown: {_why(energy['reasons'], energy['detail'])}")]
    window = energy["windows"][energy["window"]]
    if window["energy_j"] is None:
        return [("energy", f"unknown: {_why(energy['reasons'], None)}"), *_counted(energy)]
    rows = [
        ("energy", _per_token(energy, window)),
        ("", _per_watt(window)),
        ("", _draw(energy, window)),
        *_kinds(window),
        *_phases(energy["phases"]),
        *_counted(energy),
    ]
    rows += [("", f"[bold red]not to be believed as it stands:[/] {_mean(code)}") for code in energy["reasons"]]
    return rows + [("", f"[yellow]mind:[/] {_mean(code)}") for code in energy["warnings"]]


def _per_token(energy: dict[str, Any], window: dict[str, Any]) -> str:
    verdict = "" if energy["valid"] else "[bold red]NOT VALID[/] "
    error = window["relative_error"]
    bar = f" ± {error:.1%}" if error is not None else ""
    return (
        f"{verdict}{_j(window['j_per_output_token'])} J per output token{bar}, {_j(window['j_per_total_token'])} input "
        f"+ output, {_j(window['j_per_request'])} a request; {escape(str(energy['boundary']))} power by "
        f"{escape(str(energy['source']))}, {escape(str(window['method']))}, {energy['window']} window"
    )


def _per_watt(window: dict[str, Any]) -> str:
    per_mw = window["output_tokens_per_s_per_mw"]
    parts = [f"{_j(window['output_tokens_per_s_per_w'])} output tokens/s a watt"]
    names = (("board", "a measured board"), ("it", "an IT"), ("facility", "a facility"))
    parts += [f"{_big(per_mw[key])} {name} MW" for key, name in names if per_mw[key] is not None]
    good = window["goodput_per_s_per_mw"]["board"]
    if good is not None:
        parts.append(f"{_big(good)} good requests/s a board MW")
    return ", ".join(parts)


def _draw(energy: dict[str, Any], window: dict[str, Any]) -> str:
    text = f"{window['power_w']:,.0f} W of boards"
    if window["tdp_share"] is not None:
        text += f", {window['tdp_share']:.0%} of their TDP"
    idle = energy["idle"]
    if idle["power_w"] is not None:
        basis = "measured before the run" if idle["basis"] == "before_run" else "as the model says"
        text += f"; idle {idle['power_w']:,.0f} W ({basis}) is {idle['share'] or 0:.0%} of the energy"
    return text


def _kinds(window: dict[str, Any]) -> list[Row]:
    thought, said = window["j_per_1000_reasoning_tokens"], window["j_per_1000_answer_tokens"]
    parts = [
        f"{_j(value)} J per 1,000 {name} tokens"
        for name, value in (("reasoning", thought), ("answer", said))
        if value is not None
    ]
    return [("", f"decoding: {', '.join(parts)}")] if parts else []


def _phases(phases: dict[str, Any] | None) -> list[Row]:
    if phases is None or phases["why_not"] is not None:
        return []
    prefill, decode = phases["prefill_j_per_input_token"], phases["decode_j_per_output_token"]
    return [
        (
            "",
            f"marginal, by regression: {_estimate(prefill)} J an input token, {_estimate(decode)} J an output token "
            f"(95 % interval, {phases['slices']} slices)",
        )
    ]


def _estimate(found: dict[str, float]) -> str:
    return f"{_j(found['value'])} ({_j(found['low'])} to {_j(found['high'])})"


def _counted(energy: dict[str, Any]) -> list[Row]:
    """Which boards are in the figures, and which are not."""
    if energy["simulated"]:
        return []
    counted = ", ".join(_name(device) for device in energy["devices"]) or "none"
    by = {str(device["counted_by"]) for device in energy["devices"]}
    left_out = ", ".join(_name(device) for device in energy["not_counted"])
    text = f"counted: {counted}{f' ({escape(by.pop())})' if len(by) == 1 else ''}"
    return [("", text + (f"; not counted: {left_out}" if left_out else ""))]


def _name(device: dict[str, Any]) -> str:
    return f"GPU {device['index']}" if device["index"] is not None else escape(device["device"])


def _why(reasons: list[str], detail: str | None) -> str:
    return escape(detail) if detail else "; ".join(map(_mean, reasons))


def _mean(code: str) -> str:
    return escape(MEANINGS.get(code, code))


def _j(value: float | None) -> str:
    """Three digits, whatever the size."""
    if value is None:
        return _UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _big(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value / 1e6:.3g} M" if value >= 1e6 else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
