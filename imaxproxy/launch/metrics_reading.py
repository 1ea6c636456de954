"""One engine's /metrics page, read under our names."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields

from prometheus_client.parser import text_string_to_metric_families

from imaxproxy.launch.engine import Engine, MetricsPage

SHARES = ("kv_share", "prefix_hit_share", "accept_length_tokens")
"""Averaged over ranks and replicas; all else is summed."""
HISTOGRAMS = ("ttft_seconds", "itl_seconds")
"""Each gives two values, `<name>_sum` and `<name>_count`."""


def names_of(page: MetricsPage) -> dict[str, str]:
    """Our name of each value, and the engine's own."""
    stated = {field.name: getattr(page, field.name) for field in fields(page) if field.name != "path"}
    names: dict[str, str] = {}
    for ours, theirs in stated.items():
        if theirs is None:
            continue
        if ours in HISTOGRAMS:
            names |= {f"{ours}_{part}": f"{theirs}_{part}" for part in ("sum", "count")}
        else:
            names[ours] = theirs
    return names


def read_page(text: str, names: Mapping[str, str]) -> dict[str, float]:
    """Values by our names; what the page does not hold, or holds as no finite number, is left out.

    Only the lines that are wanted are parsed: SGLang's page is 86 kB, most of it buckets. Raises ValueError for a
    wanted line that is not of the format.
    """
    wanted = set(names.values())
    lines = [line for line in text.splitlines() if line[: _name_length(line)] in wanted]
    samples: dict[str, list[float]] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if math.isfinite(sample.value):
                samples.setdefault(sample.name, []).append(sample.value)
    found = {ours: samples[theirs] for ours, theirs in names.items() if theirs in samples}
    return {ours: sum(values) / (len(values) if ours in SHARES else 1) for ours, values in found.items()}


def whose_page(text: str, engines: Iterable[Engine]) -> Engine | None:
    """The engine that most of the page's names belong to; None for a page of none."""
    known = [engine for engine in engines if engine.metrics is not None]
    counts = {engine.name: _known_values(text, engine) for engine in known}
    return max((engine for engine in known if counts[engine.name]), key=lambda one: counts[one.name], default=None)


def _known_values(text: str, engine: Engine) -> int:
    return len(read_page(text, names_of(engine.metrics))) if engine.metrics is not None else 0


def _name_length(line: str) -> int:
    """Up to the labels, or the value."""
    ends = [at for at in (line.find("{"), line.find(" ")) if at >= 0]
    return min(ends, default=0)
