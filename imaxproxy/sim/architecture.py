"""The shape of a model: how many weights, how much KV, how much attention. Data: architecture.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError

_TABLE = Path(__file__).with_name("architecture.toml")


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shape of a decoder. Counts are of the whole model unless they say otherwise."""

    name: str
    layers: int
    moe_layers: int
    hidden: int
    vocabulary: int
    context_tokens: int
    attention: str
    query_heads: int
    kv_heads: int
    head_size: int
    full_fraction: float = 1.0
    window_tokens: int = 0
    query_rank: int = 0
    latent_size: int = 0
    rope_size: int = 0
    dense_size: int = 0
    experts: int = 0
    experts_per_token: int = 0
    expert_size: int = 0
    shared_experts: int = 0
    native_precision: str = ""

    @property
    def is_mla(self) -> bool:
        """Multi-head latent attention (DeepSeek): one compressed KV vector for all heads."""
        return self.attention == "mla"

    @property
    def attention_weights(self) -> int:
        """Parameters of all attention layers: query, key, value and output projections."""
        return self.layers * (self._mla_weights() if self.is_mla else self._gqa_weights())

    @property
    def dense_weights(self) -> int:
        """Parameters every token passes besides attention: dense MLPs, shared experts, routers."""
        dense_layers = self.layers - self.moe_layers
        shared = self.moe_layers * self.shared_experts * 3 * self.hidden * self.expert_size
        routers = self.moe_layers * self.experts * self.hidden
        return dense_layers * 3 * self.hidden * self.dense_size + shared + routers

    @property
    def weights_per_expert(self) -> int:
        """Parameters of one expert in one layer: up, gate and down projections."""
        return 3 * self.hidden * self.expert_size

    @property
    def expert_weights(self) -> int:
        """Parameters of all routed experts."""
        return self.moe_layers * self.experts * self.weights_per_expert

    @property
    def embedding_weights(self) -> int:
        """Parameters of the embedding and of the language-model head."""
        return 2 * self.vocabulary * self.hidden

    @property
    def total_weights(self) -> int:
        """All parameters."""
        return self.attention_weights + self.dense_weights + self.expert_weights + self.embedding_weights

    @property
    def kv_values_per_token(self) -> int:
        """Numbers the KV cache keeps for a token over all layers, as if every layer attended to everything."""
        if self.is_mla:
            return self.layers * (self.latent_size + self.rope_size)
        return self.layers * 2 * self.kv_heads * self.head_size

    @property
    def decode_attention_flops(self) -> int:
        """FLOPs of a query token for each token of context, over all layers (MLA: in the latent space)."""
        if self.is_mla:
            return self.layers * 2 * self.query_heads * (2 * self.latent_size + self.rope_size)
        return self.layers * 4 * self.query_heads * self.head_size

    @property
    def prefill_attention_flops(self) -> int:
        """The same when a prompt is read (MLA: with expanded heads)."""
        if self.is_mla:
            return self.layers * 2 * self.query_heads * (2 * self.head_size + self.rope_size)
        return self.decode_attention_flops

    def attended_tokens(self, context_tokens: float) -> float:
        """Context a layer attends to on average: all of it in full layers, the window's width in the others."""
        if not self.window_tokens:
            return context_tokens
        windowed = min(context_tokens, self.window_tokens)
        return self.full_fraction * context_tokens + (1 - self.full_fraction) * windowed

    def _gqa_weights(self) -> int:
        return 2 * self.hidden * self.head_size * (self.query_heads + self.kv_heads)

    def _mla_weights(self) -> int:
        query = self.query_rank * (self.hidden + self.query_heads * (self.head_size + self.rope_size))
        latent = self.hidden * (self.latent_size + self.rope_size) + self.latent_size * self.query_heads * (
            2 * self.head_size
        )
        return query + latent + self.query_heads * self.head_size * self.hidden


def architecture_names() -> list[str]:
    """The models we know the shape of."""
    return list(_table())


def load_architecture(model: str) -> Architecture:
    """The shape of a model by its name or its Hugging Face id. Raises UsageError that lists the known ones.

    For others see `huggingface.read_config`.
    """
    for name, row in _table().items():
        if model.lower() in (name, *(alias.lower() for alias in row["aliases"])):
            return Architecture(name=name, **{key: value for key, value in row.items() if key != "aliases"})
    raise UsageError(
        f"no shape known of model {model!r}; known: {', '.join(architecture_names())}, or a path to a config.json"
    )


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text("utf-8"))
