"""The time of one engine step: a roofline for each part, plus the fixed overheads that dominate small batches.

Symbols of the docstrings below. Deployment: T GPUs, EP expert-parallel size, L layers, Lm MoE layers, h hidden size,
V vocabulary, E experts, k experts a token, We weights of an expert in a layer. Load: B decoding streams of mean context
S, q tokens a stream (1 + its drafts), P prompt tokens of mean attended context Sp, n = B*q + P tokens in all. Rates: BW
HBM bytes/s, peak FLOP/s at the precision used, NVL NVLink bytes/s one way, each times its fitted efficiency. by: bytes
of a weight.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from imaxproxy.sim.constants import Constants, load_constants
from imaxproxy.sim.deployment import WEIGHT_BYTES, Deployment

_BATCHES_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class StepLoad:
    """What one step works on."""

    decode_streams: float
    context_tokens: float = 0.0
    """Mean context of the decoding streams."""
    prefill_tokens: float = 0.0
    attended_tokens: float = 0.0
    """Mean context that the prompt tokens attend to; cached ones count here though not in prefill_tokens."""


class Use(NamedTuple):
    """How much of a GPU a step keeps busy: shares of the published peaks."""

    memory: float
    compute: float


class _Work(NamedTuple):
    """One part of a step on one GPU, with the shares of the peaks that it reaches."""

    read_bytes: float
    flops: float
    precision: str
    bandwidth_share: float
    compute_factor: float = 1.0
    repeats: float = 1.0
    """Imbalance: the slowest GPU does so many times the work."""


class _Batch(NamedTuple):
    """What of a step depends on how many streams decode and how many prompt tokens are read, not on any context."""

    time_s: float
    memory_s: float
    """At the published peaks, which `Use` is a share of."""
    compute_s: float


class StepModel:
    """Predicts step time, use and KV capacity of one deployment. About 10 us a call, 3 us for a batch seen before."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.constants: Constants = load_constants(deployment.gpu.architecture, deployment.engine)
        self._shape = deployment.architecture
        self._attention_split = 1 if deployment.dp_attention else deployment.tp
        self._kv_bytes = deployment.kv_bytes_per_value * self._shape.kv_values_per_token
        self._stream_tokens = 1 + deployment.speculation.draft_tokens
        self._drafting = 1 + self.constants.drafter_share * deployment.speculation.draft_tokens
        self._batch = lru_cache(_BATCHES_REMEMBERED)(self._new_batch)

    def step_s(self, load: StepLoad) -> float:
        """Seconds of one step: the sum of its terms, and on top the drafter's share (0.035 a draft token)."""
        batch = self._batch(load.decode_streams, load.prefill_tokens)
        return (batch.time_s + sum(map(self._time_s, self._context_works(load).values()))) * self._drafting

    def terms_s(self, load: StepLoad) -> dict[str, float]:
        """The step's time by cause, without the drafter."""
        works = self._weight_works(load) | self._context_works(load)
        terms = {name: self._time_s(work) for name, work in works.items()}
        terms["communication"] = self._communication_s(load)
        terms["fixed"] = self._fixed_s()
        terms["host"] = self._host_s(load)
        return terms

    def use(self, load: StepLoad, step_s: float) -> Use:
        """Shares of peak HBM bandwidth and of peak arithmetic (each part at its own precision) over a step."""
        batch = self._batch(load.decode_streams, load.prefill_tokens)
        memory_s, compute_s = self._busy_s(self._context_works(load))
        return Use((batch.memory_s + memory_s) / step_s, (batch.compute_s + compute_s) / step_s)

    @property
    def wait_steps(self) -> float:
        """Steps that a request waits before its prompt is taken up: the engine's own, and what it is told to wait."""
        of_mla = self.constants.mla_wait_steps if self._shape.is_mla else 0.0
        return self.constants.wait_steps + of_mla + self.deployment.batch_wait_steps

    def kv_capacity_tokens(self, memory_share: float = 0.9) -> int:
        """Tokens of context that fit: T * room / (kvb * replication); 0 if the weights do not.

        room: u * HBM - weights/GPU - 4 GB, or u * (HBM - weights/GPU - 4 GB) for an engine whose share counts what is
        left (TensorRT-LLM). kvb counts the growing part only (window layers keep a fixed one). Replication: T for MLA
        under tensor parallelism, max(1, T / kv_heads) for GQA, 1 under DP attention.
        """
        shape = self._shape
        growing_bytes = self._kv_bytes * (shape.full_fraction if shape.window_tokens else 1.0)
        tokens = self.deployment.tp * self.kv_room_bytes(memory_share) / (growing_bytes * self._kv_replication())
        return max(0, int(tokens))

    def kv_room_bytes(self, memory_share: float) -> float:
        """Bytes of a GPU that are left for KV; below 0 when the weights do not fit."""
        taken_bytes = self.weight_bytes_per_gpu() + self.constants.fixed_memory_bytes
        if self.constants.memory == "free":
            return memory_share * (self.deployment.gpu.hbm_bytes - taken_bytes)
        return memory_share * self.deployment.gpu.hbm_bytes - taken_bytes

    def weight_bytes_per_gpu(self) -> float:
        """Weights on one GPU: attention is replicated under DP attention, the rest is split over T."""
        shape, tp = self._shape, self.deployment.tp
        dense_bytes = WEIGHT_BYTES[self.deployment.dense_precision]
        expert_bytes = shape.expert_weights * WEIGHT_BYTES[self.deployment.expert_precision]
        split = shape.dense_weights * dense_bytes + expert_bytes + shape.embedding_weights * WEIGHT_BYTES["bf16"]
        return shape.attention_weights * dense_bytes / self._attention_split + split / tp

    def kv_bytes_per_token(self) -> float:
        """What a token's KV weighs when it moves from a prefill worker to a decode worker."""
        return self._kv_bytes

    def _tokens(self, load: StepLoad) -> float:
        """n = B*q + P."""
        return load.decode_streams * self._stream_tokens + load.prefill_tokens

    def _new_batch(self, decode_streams: float, prefill_tokens: float) -> _Batch:
        load = StepLoad(decode_streams, prefill_tokens=prefill_tokens)
        works = self._weight_works(load)
        time_s = sum(map(self._time_s, works.values()))
        time_s += self._communication_s(load) + self._fixed_s() + self._host_s(load)
        return _Batch(time_s, *self._busy_s(works))

    def _busy_s(self, works: dict[str, _Work]) -> tuple[float, float]:
        """Seconds that memory and arithmetic would need at their published peaks."""
        gpu = self.deployment.gpu
        memory_s = sum(work.read_bytes for work in works.values()) / gpu.hbm_bytes_per_s
        return memory_s, sum(work.flops / gpu.flops_per_s[work.precision] for work in works.values())

    def _weight_works(self, load: StepLoad) -> dict[str, _Work]:
        """The rooflines that weights make."""
        works = {
            "attention_weights": self._attention_weights(load),
            "dense_weights": self._dense(self._shape.dense_weights / self.deployment.tp, self._tokens(load)),
            "lm_head": self._lm_head(load),
        }
        if self._shape.experts:
            works["experts"] = self._experts(load)
        return works

    def _context_works(self, load: StepLoad) -> dict[str, _Work]:
        """The rooflines that contexts make."""
        works = {}
        if load.decode_streams:
            works["kv"] = self._kv(load)
        if load.prefill_tokens:
            works["prefill_attention"] = self._prefill_attention(load)
        return works

    def _time_s(self, work: _Work) -> float:
        """pn(a, b) = (a^p + b^p)^(1/p): memory and compute overlap more than not at all (the sum), less than wholly."""
        gpu, constants = self.deployment.gpu, self.constants
        memory_s = work.read_bytes / (gpu.hbm_bytes_per_s * work.bandwidth_share)
        rate = gpu.flops_per_s[work.precision] * constants.compute_efficiency[work.precision] * work.compute_factor
        power = constants.overlap_power
        total: float = (memory_s**power + (work.flops / rate) ** power) ** (1 / power)
        return total * work.repeats

    def _attention_weights(self, load: StepLoad) -> _Work:
        """W*by/ta bytes, 2*na*W/ta FLOPs: ta and na the shares of weights and of tokens that a GPU holds."""
        tokens = self._tokens(load) / (self.deployment.tp if self.deployment.dp_attention else 1)
        return self._dense(self._shape.attention_weights / self._attention_split, tokens)

    def _dense(self, weights: float, tokens: float) -> _Work:
        """W*by bytes, 2*n*W FLOPs."""
        precision = self.deployment.dense_precision
        share = self.constants.dense_bandwidth_efficiency
        return _Work(weights * WEIGHT_BYTES[precision], 2 * tokens * weights, precision, share)

    def _lm_head(self, load: StepLoad) -> _Work:
        """V*h/T weights in BF16, one row for each decoded token and one for a prompt's end."""
        weights = self._shape.vocabulary * self._shape.hidden / self.deployment.tp
        rows = load.decode_streams * self._stream_tokens + 1
        return _Work(weights * 2, 2 * rows * weights, "bf16", self.constants.dense_bandwidth_efficiency)

    def _experts(self, load: StepLoad) -> _Work:
        """Lm*Et*We*by/T bytes, 2*n*k*We*Lm/T FLOPs, times 1 + 0.28*(1 - 1/EP); Et the distinct experts touched.

        Et = E * (1 - (1 - k/E)^(n^0.83)): the exponent below 1 says that routing is skewed.
        """
        shape, deployment, constants = self._shape, self.deployment, self.constants
        tokens = self._tokens(load)
        missed: float = (1 - shape.experts_per_token / shape.experts) ** (tokens**constants.routing_skew)
        layer_weights = shape.moe_layers * shape.weights_per_expert / deployment.tp
        return _Work(
            read_bytes=layer_weights * shape.experts * (1 - missed) * WEIGHT_BYTES[deployment.expert_precision],
            flops=2 * tokens * shape.experts_per_token * layer_weights,
            precision=self._expert_math(),
            bandwidth_share=constants.expert_bandwidth_efficiency,
            compute_factor=constants.expert_compute_factor,
            repeats=1 + constants.expert_imbalance * (1 - 1 / deployment.ep),
        )

    def _kv(self, load: StepLoad) -> _Work:
        """B*Seff*kvb/shard bytes, B*q*Seff*aflop/T FLOPs: a stream's context is read once for all its drafts."""
        constants = self.constants
        attended = load.decode_streams * self._shape.attended_tokens(load.context_tokens)
        flops = attended * self._stream_tokens * self._shape.decode_attention_flops / self.deployment.tp
        share = constants.mla_bandwidth_efficiency if self._shape.is_mla else constants.gqa_bandwidth_efficiency
        return _Work(attended * self._kv_bytes / self._kv_shards(), flops, "bf16", share)

    def _prefill_attention(self, load: StepLoad) -> _Work:
        """P*Speff*aflop_prefill/T FLOPs; what it reads stays on the chip."""
        attended = load.prefill_tokens * self._shape.attended_tokens(load.attended_tokens)
        return _Work(0.0, attended * self._shape.prefill_attention_flops / self.deployment.tp, "bf16", 1.0)

    def _communication_s(self, load: StepLoad) -> float:
        """2L*(a0 + a1*log2 T + 2(T-1)/T*n*h*2/NVL); DP attention 2Lm*(a2a + n/T*min(k,T)*h*1.5/NVL); 0 for T = 1."""
        shape, tp, constants = self._shape, self.deployment.tp, self.constants
        if tp == 1:
            return 0.0
        tokens, link_bytes_per_s = self._tokens(load), self.deployment.gpu.nvlink_bytes_per_s
        link_bytes_per_s *= constants.nvlink_efficiency
        if self.deployment.dp_attention and shape.experts:
            sent_bytes = tokens / tp * min(shape.experts_per_token, tp) * shape.hidden * 1.5
            return 2 * shape.moe_layers * (constants.all_to_all_s + sent_bytes / link_bytes_per_s)
        latency_s = constants.all_reduce_s + constants.all_reduce_log2_s * math.log2(tp)
        reduced_bytes = 2 * (tp - 1) / tp * tokens * shape.hidden * 2
        return 2 * shape.layers * (latency_s + reduced_bytes / link_bytes_per_s)

    def _fixed_s(self) -> float:
        """(L*tl + Lm*tm + L*tmla for MLA) * engine's factor * vintage: launches and gaps that no batch size changes."""
        shape, constants = self._shape, self.constants
        mla_s = shape.layers * constants.mla_layer_s if shape.is_mla else 0.0
        layers_s = shape.layers * constants.layer_s + shape.moe_layers * constants.moe_layer_s
        return (layers_s + mla_s) * constants.layer_factor * self.deployment.vintage

    def _host_s(self, load: StepLoad) -> float:
        """t0 + cs*B, B of one rank under DP attention: the engine's scheduler and its output handling."""
        ranks = self.deployment.tp if self.deployment.dp_attention else 1
        return self.constants.step_s + self.constants.stream_s * load.decode_streams / ranks

    def _expert_math(self) -> str:
        precision = self.deployment.expert_precision
        return self.constants.mxfp4_math if precision == "mxfp4" else precision

    def _kv_shards(self) -> int:
        """Parts a step's KV reads are split into: T under DP attention, else as heads allow."""
        if self.deployment.dp_attention:
            return self.deployment.tp
        return 1 if self._shape.is_mla else min(self.deployment.tp, self._shape.kv_heads)

    def _kv_replication(self) -> float:
        return self.deployment.tp / self._kv_shards()
