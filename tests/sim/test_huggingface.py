import json
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim import Architecture, assemble, load_architecture, parse_args
from imaxproxy.sim.huggingface import read_config

LLAMA = {
    "hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64, "num_key_value_heads": 8,
    "num_hidden_layers": 80, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip
GPT_OSS = {
    "hidden_size": 2880, "intermediate_size": 2880, "num_attention_heads": 64, "num_key_value_heads": 8,
    "head_dim": 64, "num_hidden_layers": 36, "vocab_size": 201088, "max_position_embeddings": 131072,
    "num_local_experts": 128, "num_experts_per_tok": 4, "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18, "quantization_config": {"quant_method": "mxfp4"},
}  # fmt: skip
DEEPSEEK = {
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_attention_heads": 128,
    "num_hidden_layers": 61, "vocab_size": 129280, "max_position_embeddings": 163840, "n_routed_experts": 256,
    "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "moe_layer_freq": 1,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
}  # fmt: skip


def read(tmp_path: Path, config: dict[str, Any]) -> Architecture:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return read_config(path)


@pytest.mark.parametrize(
    ("config", "name"), [(LLAMA, "llama-3.3-70b"), (GPT_OSS, "gpt-oss-120b"), (DEEPSEEK, "deepseek-r1")]
)
def test_a_config_gives_the_shape_that_is_in_our_table(tmp_path: Path, config: dict[str, Any], name: str) -> None:
    found, known = read(tmp_path, config), load_architecture(name)
    for field in ("layers", "moe_layers", "hidden", "query_heads", "full_fraction", "native_precision"):
        assert getattr(found, field) == getattr(known, field), field
    for field in ("attention_weights", "dense_weights", "expert_weights", "embedding_weights"):
        assert getattr(found, field) == pytest.approx(getattr(known, field), rel=0.02), field


def test_a_users_model_is_simulated(tmp_path: Path) -> None:
    read(tmp_path, LLAMA)
    described = assemble(parse_args(["--model", str(tmp_path), "--gpu", "h200", "--tp", "4", "--precision", "fp8"]))
    assert described.described["in_calibrated_range"] is False


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({**LLAMA, "index_topk": 2048}, r"sparse attention \(index_topk\) are not modelled"),
        ({**LLAMA, "mamba_d_state": 128}, "state-space layers"),
        ({**LLAMA, "hidden_size": "big"}, "hidden_size must be a whole number of 1 or more, not 'big'"),
        ({}, "num_hidden_layers must be a whole number"),
    ],
)
def test_what_the_formulas_do_not_cover_is_refused(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read(tmp_path, config)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="is no JSON"):
        read_config(tmp_path / "config.json")
