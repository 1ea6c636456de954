"""What `/metrics` says: counters and histograms under vLLM's names, power under DCGM's."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from imaxproxy.clock import NS_PER_S
from imaxproxy.power import PowerSample
from imaxproxy.sim.truth import TruthRecord

_TTFT_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_ITL_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_E2E_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0)


class _Buckets:
    """A Prometheus histogram."""

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, value_s: float) -> None:
        self._counts[bisect_left(self._bounds_s, value_s)] += 1
        self._sum_s += value_s

    def lines(self, name: str, labels: str) -> Iterator[str]:
        yield f"# TYPE {name} histogram"
        seen = 0
        for bound, count in zip((*map(str, self._bounds_s), "+Inf"), self._counts, strict=True):
            seen += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {seen}'
        yield f"{name}_sum{{{labels}}} {self._sum_s}"
        yield f"{name}_count{{{labels}}} {seen}"


class ServingStats:
    """Counts requests as they end, from the truth about each."""

    def __init__(self, model: str) -> None:
        self._labels = f'engine="0",model_name="{model}"'
        self._ended: Counter[str] = Counter({"stop": 0, "length": 0, "abort": 0, "error": 0})
        self._counts: Counter[str] = Counter()
        self._histograms = {
            "vllm:time_to_first_token_seconds": _Buckets(_TTFT_S),
            "vllm:inter_token_latency_seconds": _Buckets(_ITL_S),
            "vllm:e2e_request_latency_seconds": _Buckets(_E2E_S),
        }

    def add(self, record: TruthRecord, cached_tokens: int) -> None:
        """A request has ended."""
        facts, written_ns, tokens = record.facts, record.events[2::4], record.events[3::4]
        reasons = {"aborted": "abort", "fault": "error", "tool_calls": "stop"}
        self._ended[reasons.get(facts["end"], facts["end"])] += 1
        self._counts["vllm:prompt_tokens_total"] += facts["isl"]
        self._counts["vllm:prefix_cache_queries_total"] += facts["isl"]
        self._counts["vllm:prefix_cache_hits_total"] += cached_tokens
        self._counts["vllm:generation_tokens_total"] += sum(tokens)
        if not written_ns:
            return
        ttft, itl, e2e = self._histograms.values()
        ttft.add((written_ns[0] - facts["t_parsed_ns"]) / NS_PER_S)
        e2e.add((written_ns[-1] - facts["t_parsed_ns"]) / NS_PER_S)
        for before, after in pairwise(written_ns):
            itl.add((after - before) / NS_PER_S)

    def text(self, state: dict[str, float], power: Iterable[PowerSample]) -> str:
        """The page, in Prometheus's text format."""
        return "\n".join((*self._gauges(state), *self._counters(state), *self._all_buckets(), *_power(power), ""))

    def _gauges(self, state: dict[str, float]) -> Iterator[str]:
        gauges = {
            "vllm:num_requests_running": state["running"] + state["in_prefill"],
            "vllm:num_requests_waiting": state["waiting"] + state["arriving"],
            "vllm:kv_cache_usage_perc": state["kv_used_blocks"] / state["kv_blocks"] if state["kv_blocks"] else 0.0,
        }
        for name, value in gauges.items():
            yield f"# TYPE {name} gauge"
            yield f"{name}{{{self._labels}}} {value}"

    def _counters(self, state: dict[str, float]) -> Iterator[str]:
        steps = {
            "vllm:num_preemptions_total": state["preemptions"],
            "vllm:spec_decode_num_draft_tokens_total": state["drafted_tokens"],
            "vllm:spec_decode_num_accepted_tokens_total": state["accepted_tokens"],
        }
        for name, value in (*self._counts.items(), *steps.items()):
            yield f"# TYPE {name.removesuffix('_total')} counter"
            yield f"{name}{{{self._labels}}} {value}"
        yield "# TYPE vllm:request_success counter"
        for reason, count in self._ended.items():
            yield f'vllm:request_success_total{{{self._labels},finished_reason="{reason}"}} {count}'

    def _all_buckets(self) -> Iterator[str]:
        for name, buckets in self._histograms.items():
            yield from buckets.lines(name, self._labels)


def _power(samples: Iterable[PowerSample]) -> Iterator[str]:
    """As DCGM's exporter names them; its energy counts millijoules."""
    for sample in samples:
        labels = f'gpu="{sample.device.rpartition("-")[2]}",UUID="{sample.device}",modelName="simulated"'
        yield f"DCGM_FI_DEV_POWER_USAGE{{{labels}}} {sample.power_w}"
        yield f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} {round(sample.energy_mj or 0)}"
