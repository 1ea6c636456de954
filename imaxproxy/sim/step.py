"""The time of one engine step: a roofline for each part, plus the fixed overheads that dominate small batches.

Symbols of the docstrings below. Deployment: T GPUs, EP expert-parallel size, L layers, Lm MoE layers, h hidden size,
V vocabulary, E experts, k experts a token, We weights of an expert in a layer. Load: B decoding streams of mean context
S, P prompt tokens of mean attended context Sp, n = B + P tokens in all. Rates: BW HBM bytes/s, peak FLOP/s at the
precision used, NVL NVLink bytes/s one way, each times its fitted efficiency. by: bytes of a weight.
"""

import math
from dataclasses import dataclass

from imaxproxy.sim.constants import Constants, load_constants
from imaxproxy.sim.deployment import WEIGHT_BYTES, Deployment


@dataclass(frozen=True, slots=True)
class StepLoad:
    """What one step works on."""

    decode_streams: float
    context_tokens: float = 0.0
    """Mean context of the decoding streams."""
    prefill_tokens: float = 0.0
    attended_tokens: float = 0.0
    """Mean context that the prompt tokens attend to; cached ones count here though not in prefill_tokens."""

    @property
    def tokens(self) -> float:
        """All tokens of the step."""
        return self.decode_streams + self.prefill_tokens


class StepModel:
    """Predicts step time and KV capacity of one deployment. About 10 us a call, no state."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.constants: Constants = load_constants(deployment.gpu.architecture, deployment.engine)
        self._shape = deployment.architecture
        self._attention_split = 1 if deployment.dp_attention else deployment.tp
        self._kv_bytes = self._kv_bytes_per_value() * self._shape.kv_values_per_token

    def step_s(self, load: StepLoad) -> float:
        """Seconds of one step: the sum of its terms, not under the floor if it reads prompt tokens."""
        time_s = sum(self.terms_s(load).values())
        return max(time_s, self.prefill_floor_s()) if load.prefill_tokens else time_s

    def terms_s(self, load: StepLoad) -> dict[str, float]:
        """The step's time by cause."""
        return {
            "attention_weights": self._attention_weights_s(load),
            "dense_weights": self._dense_weights_s(load),
            "lm_head": self._lm_head_s(load),
            "experts": self._experts_s(load),
            "kv": self._kv_s(load),
            "prefill_attention": self._prefill_attention_s(load),
            "communication": self._communication_s(load),
            "fixed": self._fixed_s(),
            "host": self._host_s(load),
        }

    def prefill_floor_s(self) -> float:
        """Least time of a step that reads prompt tokens: it launches its kernels one by one, L * 0.3 ms."""
        return self._shape.layers * self.constants.prefill_floor_s_per_layer

    def kv_capacity_tokens(self, memory_utilization: float = 0.9) -> int:
        """Tokens of context that fit: T * (u * HBM - weights/GPU - 4 GB) / (kvb * replication); 0 if weights do not.

        kvb counts the growing part only (window layers keep a fixed one). Replication: T for MLA under tensor
        parallelism, max(1, T / kv_heads) for GQA, 1 under DP attention.
        """
        gpu, shape = self.deployment.gpu, self._shape
        free_bytes = (
            memory_utilization * gpu.hbm_bytes - self.weight_bytes_per_gpu() - self.constants.fixed_memory_bytes
        )
        growing_bytes = self._kv_bytes * (shape.full_fraction if shape.window_tokens else 1.0)
        return max(0, int(self.deployment.tp * free_bytes / (growing_bytes * self._kv_replication())))

    def weight_bytes_per_gpu(self) -> float:
        """Weights on one GPU: attention is replicated under DP attention, the rest is split over T."""
        shape, tp = self._shape, self.deployment.tp
        dense_bytes = WEIGHT_BYTES[self.deployment.dense_precision]
        expert_bytes = shape.expert_weights * WEIGHT_BYTES[self.deployment.expert_precision]
        split = shape.dense_weights * dense_bytes + expert_bytes + shape.embedding_weights * WEIGHT_BYTES["bf16"]
        return shape.attention_weights * dense_bytes / self._attention_split + split / tp

    def _attention_weights_s(self, load: StepLoad) -> float:
        """pn(W*by/(ta*BW), 2*na*W/(ta*peak)), ta and na the shares of weights and tokens a GPU holds."""
        weights = self._shape.attention_weights / self._attention_split
        return self._dense_s(weights, load.tokens / (self.deployment.tp if self.deployment.dp_attention else 1))

    def _dense_weights_s(self, load: StepLoad) -> float:
        """pn(W/T*by/BW, 2*n*W/T/peak) for dense MLPs, shared experts and routers."""
        return self._dense_s(self._shape.dense_weights / self.deployment.tp, load.tokens)

    def _dense_s(self, weights: float, tokens: float) -> float:
        precision = self.deployment.dense_precision
        memory_s = weights * WEIGHT_BYTES[precision] / self._bandwidth(self.constants.dense_bandwidth_efficiency)
        return self._overlapped(memory_s, 2 * tokens * weights / self._flops(precision))

    def _lm_head_s(self, load: StepLoad) -> float:
        """pn(V*h/T*2/BW, 2*(B+1)*V*h/T/peak): BF16, one row for each stream and one for a prompt's end."""
        weights = self._shape.vocabulary * self._shape.hidden / self.deployment.tp
        memory_s = weights * 2 / self._bandwidth(self.constants.dense_bandwidth_efficiency)
        return self._overlapped(memory_s, 2 * (load.decode_streams + 1) * weights / self._flops("bf16"))

    def _experts_s(self, load: StepLoad) -> float:
        """pn(Lm*Et*We*by/T/BW, 2*n*k*We*Lm/T/peak) * (1 + 0.4*(1 - 1/EP)), Et the distinct experts touched."""
        shape, deployment, constants = self._shape, self.deployment, self.constants
        if not shape.experts:
            return 0.0
        layer_weights = shape.moe_layers * shape.weights_per_expert / deployment.tp
        read_bytes = layer_weights * self._experts_touched(load) * WEIGHT_BYTES[deployment.expert_precision]
        flops = 2 * load.tokens * shape.experts_per_token * layer_weights
        rate = self._flops(self._expert_math()) * constants.expert_compute_factor
        imbalance = 1 + constants.expert_imbalance * (1 - 1 / deployment.ep)
        memory_s = read_bytes / self._bandwidth(constants.expert_bandwidth_efficiency)
        return self._overlapped(memory_s, flops / rate) * imbalance

    def _experts_touched(self, load: StepLoad) -> float:
        """Et = E * (1 - (1 - k/E)^(n^0.80)): the exponent below 1 says that routing is skewed."""
        shape = self._shape
        draws: float = load.tokens**self.constants.routing_skew
        missed: float = (1 - shape.experts_per_token / shape.experts) ** draws
        return shape.experts * (1 - missed)

    def _kv_s(self, load: StepLoad) -> float:
        """pn(B*Seff*kvb/shard/BW, B*Seff*aflop/T/peak): decoding streams read their context."""
        if not load.decode_streams:
            return 0.0
        attended = load.decode_streams * self._shape.attended_tokens(load.context_tokens)
        efficiency = (
            self.constants.mla_bandwidth_efficiency if self._shape.is_mla else self.constants.gqa_bandwidth_efficiency
        )
        memory_s = attended * self._kv_bytes / self._kv_shards() / self._bandwidth(efficiency)
        flops = attended * self._shape.decode_attention_flops / self.deployment.tp
        return self._overlapped(memory_s, flops / self._flops("bf16"))

    def _prefill_attention_s(self, load: StepLoad) -> float:
        """P * Speff * aflop_prefill / T / peak."""
        attended = load.prefill_tokens * self._shape.attended_tokens(load.attended_tokens)
        return attended * self._shape.prefill_attention_flops / self.deployment.tp / self._flops("bf16")

    def _communication_s(self, load: StepLoad) -> float:
        """2L*(a0 + a1*log2 T + 2(T-1)/T*n*h*2/NVL); DP attention 2Lm*(4us + n/T*min(k,T)*h*1.5/NVL); 0 for T = 1."""
        shape, tp, constants = self._shape, self.deployment.tp, self.constants
        if tp == 1:
            return 0.0
        link_bytes_per_s = self.deployment.gpu.nvlink_bytes_per_s * constants.nvlink_efficiency
        if self.deployment.dp_attention and shape.experts:
            sent_bytes = load.tokens / tp * min(shape.experts_per_token, tp) * shape.hidden * 1.5
            return 2 * shape.moe_layers * (constants.all_to_all_s + sent_bytes / link_bytes_per_s)
        latency_s = constants.all_reduce_s + constants.all_reduce_log2_s * math.log2(tp)
        reduced_bytes = 2 * (tp - 1) / tp * load.tokens * shape.hidden * 2
        return 2 * shape.layers * (latency_s + reduced_bytes / link_bytes_per_s)

    def _fixed_s(self) -> float:
        """(L*tl + Lm*tm + L*tmla for MLA) * vintage: launches and gaps that no batch size changes."""
        shape, constants = self._shape, self.constants
        mla_s = shape.layers * constants.mla_layer_s if shape.is_mla else 0.0
        layers_s = shape.layers * constants.layer_s + shape.moe_layers * constants.moe_layer_s
        return (layers_s + mla_s) * self.deployment.vintage

    def _host_s(self, load: StepLoad) -> float:
        """t0 + cs*B, B of one rank under DP attention: the engine's scheduler and its output handling."""
        ranks = self.deployment.tp if self.deployment.dp_attention else 1
        return self.constants.step_s + self.constants.stream_s * load.decode_streams / ranks

    def _overlapped(self, memory_s: float, compute_s: float) -> float:
        """pn(a, b) = (a^p + b^p)^(1/p): between perfect overlap (the greater) and none (the sum)."""
        power = self.constants.overlap_power
        total: float = (memory_s**power + compute_s**power) ** (1 / power)
        return total

    def _bandwidth(self, efficiency: float) -> float:
        return self.deployment.gpu.hbm_bytes_per_s * efficiency

    def _flops(self, precision: str) -> float:
        return self.deployment.gpu.flops_per_s[precision] * self.constants.compute_efficiency[precision]

    def _expert_math(self) -> str:
        precision = self.deployment.expert_precision
        return self.constants.mxfp4_math if precision == "mxfp4" else precision

    def _kv_bytes_per_value(self) -> float:
        if self.deployment.expert_precision == "mxfp4":
            return self.constants.mxfp4_kv_bytes
        return 1.0 if self.deployment.precision == "fp4" else 2.0

    def _kv_shards(self) -> int:
        """Parts a step's KV reads are split into: T under DP attention, else as heads allow."""
        if self.deployment.dp_attention:
            return self.deployment.tp
        return 1 if self._shape.is_mla else min(self.deployment.tp, self._shape.kv_heads)

    def _kv_replication(self) -> float:
        return self.deployment.tp / self._kv_shards()
