"""Make a causal language model of random weights, with a tokenizer in which each of our prompt words is one token.

    python make_tiny_model.py FOLDER [--arch llama|qwen3] [--hidden 64 ...]        # under 1 MB, for engines on a CPU
    python make_tiny_model.py FOLDER --size 8b --torch cuda                        # Llama 3.1 8B's shape, bf16, 16 GB

Run by an engine's own Python: needs tokenizers and numpy, and torch for `--torch`. Needs no network. The text such a
model writes is noise; shapes, lengths and speed are what a model of its size has. The same seed gives the same model.
"""

import argparse
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = Path(__file__).parents[2] / "imaxproxy" / "traces" / "atomic_words.txt"
SPECIALS = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]
END = SPECIALS.index("<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }} "
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
SHAPES: dict[str, dict[str, int]] = {
    "8b": {
        "hidden": 4096,
        "layers": 32,
        "heads": 32,
        "kv_heads": 8,
        "head_dim": 128,
        "ffn": 14336,
        "vocab": 128256,
        "max_len": 8192,
    }
}


@dataclass(frozen=True)
class Shape:
    """A decoder's sizes, in elements."""

    arch: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    max_len: int

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every tensor's name and shape, as Hugging Face lays them out. A 1-D one is a norm: ones."""
        yield "model.embed_tokens.weight", (self.vocab, self.hidden)
        for number in range(self.layers):
            layer = f"model.layers.{number}"
            queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
            yield f"{layer}.self_attn.q_proj.weight", (queries, self.hidden)
            yield f"{layer}.self_attn.k_proj.weight", (keys, self.hidden)
            yield f"{layer}.self_attn.v_proj.weight", (keys, self.hidden)
            yield f"{layer}.self_attn.o_proj.weight", (self.hidden, queries)
            if self.arch == "qwen3":
                yield f"{layer}.self_attn.q_norm.weight", (self.head_dim,)
                yield f"{layer}.self_attn.k_norm.weight", (self.head_dim,)
            yield f"{layer}.mlp.gate_proj.weight", (self.ffn, self.hidden)
            yield f"{layer}.mlp.up_proj.weight", (self.ffn, self.hidden)
            yield f"{layer}.mlp.down_proj.weight", (self.hidden, self.ffn)
            yield f"{layer}.input_layernorm.weight", (self.hidden,)
            yield f"{layer}.post_attention_layernorm.weight", (self.hidden,)
        yield "model.norm.weight", (self.hidden,)
        yield "lm_head.weight", (self.vocab, self.hidden)

    def config(self) -> dict[str, Any]:
        """`config.json`."""
        name = {"llama": "Llama", "qwen3": "Qwen3"}[self.arch]
        return {
            "architectures": [f"{name}ForCausalLM"],
            "model_type": self.arch,
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.ffn,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.max_len,
            "rope_theta": 500000.0,
            "rms_norm_eps": 1e-5,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "attention_bias": False,
            "attention_dropout": 0.0,
            "tie_word_embeddings": False,
            "use_cache": True,
            "bos_token_id": None,
            "eos_token_id": END,
            "pad_token_id": 0,
            "torch_dtype": "bfloat16",
            **({"mlp_bias": False, "rope_scaling": None} if self.arch == "llama" else {}),
            **({"use_sliding_window": False, "sliding_window": None} if self.arch == "qwen3" else {}),
        }


def main() -> None:
    given = _arguments()
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = SHAPES.get(given.size) or {name: getattr(given, name) for name in SHAPES["8b"]}
    shape = Shape(given.arch, **sizes)
    write_tokenizer(folder, shape)
    write_json(folder / "config.json", shape.config())
    write_json(folder / "generation_config.json", {"eos_token_id": END, "pad_token_id": 0})
    if given.torch:
        write_weights_torch(folder, shape, given.torch, given.seed)
    elif not given.no_weights:
        write_weights(folder, shape, given.seed)
    print(f"{folder}: {shape}, {sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.2f} MB")


def write_tokenizer(folder: Path, shape: Shape) -> None:
    """A byte-level BPE that knows our prompt words as far as there is room; ids past them are words of no merge, so
    that whatever a random model says has a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocab,
        special_tokens=SPECIALS,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([" " + " ".join(WORDS.read_text("ascii").split())], trainer)
    document = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = document["model"]["vocab"]
    for number in range(len(vocabulary), shape.vocab):
        vocabulary[f"Ġnoise{number}"] = number
    write_json(folder / "tokenizer.json", document)
    named = {"eos_token": "<|im_end|>", "pad_token": "<|pad|>"}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    write_json(
        folder / "tokenizer_config.json",
        {**kind, **named, "model_max_length": shape.max_len, "chat_template": TEMPLATE},
    )
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def write_weights(folder: Path, shape: Shape, seed: int) -> None:
    """One safetensors file in bfloat16: the upper half of each float32."""
    import numpy as np

    draw = np.random.default_rng(seed)

    def bytes_of(size: tuple[int, ...]) -> bytes:
        values = np.ones(size, np.float32) if len(size) == 1 else 0.02 * draw.standard_normal(size, np.float32)
        halves: bytes = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        return halves

    write_safetensors(folder / "model.safetensors", list(shape.tensors()), bytes_of)


def write_safetensors(
    path: Path, tensors: list[tuple[str, tuple[int, ...]]], bytes_of: Callable[[tuple[int, ...]], bytes]
) -> None:
    """The format: header length (8 bytes), JSON header, the tensors' bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    blobs, at = [], 0
    for name, size in tensors:
        blobs.append(bytes_of(size))
        header[name] = {"dtype": "BF16", "shape": list(size), "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(blobs)


def write_weights_torch(folder: Path, shape: Shape, device: str, seed: int) -> None:
    """A file a layer or so, drawn on `device`: 8 billion parameters take seconds."""
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator(device).manual_seed(seed)
    weight_map: dict[str, str] = {}
    shard: dict[str, torch.Tensor] = {}
    shard_bytes = total_bytes = 0

    def flush() -> None:
        nonlocal shard, shard_bytes
        name = f"model-{len(set(weight_map.values())) + 1:05d}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(shard, name))
        shard, shard_bytes = {}, 0

    for name, size in shape.tensors():
        tensor = torch.ones(size, dtype=torch.bfloat16, device=device)
        if len(size) > 1:
            tensor.normal_(0.0, 0.02, generator=draw)
        shard[name] = tensor.cpu()
        shard_bytes += tensor.nbytes
        total_bytes += tensor.nbytes
        if shard_bytes > 2 << 30:
            flush()
    flush()
    index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--arch", choices=["llama", "qwen3"], default="llama")
    parser.add_argument("--size", choices=sorted(SHAPES), help="a known model's shape instead of the sizes below")
    tiny = {"hidden": 64, "layers": 2, "heads": 2, "kv_heads": 2, "head_dim": 32, "ffn": 128}
    for name, default in {**tiny, "vocab": 2048, "max_len": 8192}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--torch", metavar="DEVICE", help="draw the weights with torch: cuda, cpu")
    parser.add_argument("--no-weights", action="store_true", help="for engines that load dummy weights")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
