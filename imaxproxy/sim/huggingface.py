"""The shape of a model from its Hugging Face config.json: dense and MoE transformers with GQA or MLA."""

import json
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.sim.architecture import Architecture

_EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts")
_PER_TOKEN = ("num_experts_per_tok", "experts_per_token")
_NOT_COVERED = {
    "mamba_d_state": "state-space layers",
    "linear_num_key_heads": "linear attention",
    "index_topk": "sparse attention",
    "attn_layer_period": "layers that are not attention",
}


def read_config(path: Path) -> Architecture:
    """Read `config.json`, or the one in a directory. Raises UsageError for a kind that the formulas do not cover."""
    file = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{file} is no model's config: it must be a JSON object")
    return _Config(file, config.get("text_config") or config).architecture()


class _Config:
    """Looks fields up, and complains with the file's name."""

    def __init__(self, file: Path, fields: dict[str, Any]) -> None:
        self._file = file
        self._fields = fields

    def architecture(self) -> Architecture:
        for field, kind in _NOT_COVERED.items():
            if self._fields.get(field):
                raise UsageError(f"{self._file}: {kind} ({field}) are not modelled")
        layers, experts = self._count("num_hidden_layers"), self._first(_EXPERTS)
        window = self._window_layers(layers)
        return Architecture(
            name=self._file.parent.name or self._file.stem,
            layers=layers,
            moe_layers=self._moe_layers(layers) if experts else 0,
            hidden=self._count("hidden_size"),
            vocabulary=self._count("vocab_size"),
            context_tokens=self._count("max_position_embeddings"),
            full_fraction=1 - window / layers,
            window_tokens=self._count("sliding_window") if window else 0,
            dense_size=self._fields.get("intermediate_size") or 0,
            experts=experts,
            experts_per_token=self._first(_PER_TOKEN) if experts else 0,
            expert_size=self._expert_size() if experts else 0,
            shared_experts=self._shared_experts() if experts else 0,
            native_precision="mxfp4" if self._quantisation() == "mxfp4" else "",
            **self._attention(),
        )

    def _attention(self) -> dict[str, Any]:
        heads = self._count("num_attention_heads")
        if self._fields.get("kv_lora_rank"):
            return {
                "attention": "mla",
                "query_heads": heads,
                "kv_heads": heads,
                "head_size": self._count("v_head_dim"),
                "query_rank": self._fields.get("q_lora_rank") or self._count("hidden_size"),
                "latent_size": self._count("kv_lora_rank"),
                "rope_size": self._count("qk_rope_head_dim"),
            }
        return {
            "attention": "gqa",
            "query_heads": heads,
            "kv_heads": self._fields.get("num_key_value_heads") or heads,
            "head_size": self._fields.get("head_dim") or self._count("hidden_size") // heads,
        }

    def _moe_layers(self, layers: int) -> int:
        """All but the leading dense ones; every so many where the config says so."""
        step = self._fields.get("moe_layer_freq") or self._fields.get("decoder_sparse_step") or 1
        dense = self._fields.get("first_k_dense_replace") or len(self._fields.get("mlp_only_layers") or ())
        if isinstance(step, list):
            return sum(1 for is_moe in step if is_moe)
        return int((layers - dense) // step)

    def _shared_experts(self) -> int:
        """Counted in experts' widths."""
        width = self._fields.get("shared_expert_intermediate_size") or 0
        return int(self._fields.get("n_shared_experts") or width // self._expert_size())

    def _expert_size(self) -> int:
        """Where only one size stands, it is the experts'."""
        name = "moe_intermediate_size" if self._fields.get("moe_intermediate_size") else "intermediate_size"
        return self._count(name)

    def _window_layers(self, layers: int) -> int:
        kinds = self._fields.get("layer_types")
        if isinstance(kinds, list):
            return sum(1 for kind in kinds if kind == "sliding_attention")
        return layers if self._fields.get("sliding_window") and self._fields.get("use_sliding_window", True) else 0

    def _quantisation(self) -> str:
        return str((self._fields.get("quantization_config") or {}).get("quant_method", ""))

    def _first(self, names: tuple[str, ...]) -> int:
        return next((int(value) for name in names if (value := self._fields.get(name))), 0)

    def _count(self, name: str) -> int:
        value = self._fields.get(name)
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{self._file}: {name} must be a whole number of 1 or more, not {value!r}")
        return value
