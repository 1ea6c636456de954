"""What an engine said of itself, as lines of the table."""

from typing import Any

_PER_CENT = 100.0


def engine_lines(engine: dict[str, Any] | None) -> list[str]:
    """One line for each engine that was sampled, and one for its own times beside ours. [] when it said nothing."""
    engine = engine or {}
    views = engine.get("metrics") or []
    lines = [_of_view(view, named=len(views) > 1) for view in views]
    if timing := engine.get("timing"):
        lines.append(_of_timing(timing))
    return lines


def _of_view(view: dict[str, Any], *, named: bool) -> str:
    if not view["samples"]:
        return f"{view['url']} told nothing of itself: {view['failed_samples']} samples failed"
    parts = [f"{view['url']}:"] if named else [f"{view['engine']} says:"]
    for name in ("running", "waiting"):
        if gauge := view[name]:
            parts.append(f"{gauge['mean']:.1f} {name} (at most {gauge['max']:.0f}),")
    if gauge := view["kv_share"]:
        parts.append(f"KV {_PER_CENT * gauge['mean']:.0f} % full (at most {_PER_CENT * gauge['max']:.0f} %),")
    if (share := view["prefix_hit_share"]) is not None:
        parts.append(f"{_PER_CENT * share:.1f} % of prompts from its cache,")
    if view["preemptions"]:
        parts.append(f"{view['preemptions']:.0f} preempted,")
    if (length := view["accept_length_tokens"]) is not None:
        parts.append(f"{length:.2f} tokens a step accepted,")
    for name in ("ttft", "itl"):
        if (over_ms := view.get(f"{name}_over_engines_ms")) is not None:
            parts.append(f"mean {name.upper()} {view[f'{name}_ms']['mean']:.2f} ms (ours {over_ms:+.2f}),")
    if view["failed_samples"]:
        parts.append(f"{view['failed_samples']} samples failed,")
    return " ".join(parts).rstrip(",")


def _of_timing(timing: dict[str, Any]) -> str:
    named = {"TTFT": timing["ttft_over_engines"], "TPOT": timing["tpot_over_engines"]}
    parts = [
        f"{name} {stats['mean_ms']:+.2f} ms (p99 {stats['p99_ms']:+.2f}) to its own {stats['engines_mean_ms']:.2f}"
        for name, stats in named.items()
        if stats is not None
    ]
    return f"ours against its own times: {', '.join(parts)}"
