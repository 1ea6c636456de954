"""Turn a folder of make_tiny_model.py into a GGUF file, which is what llama.cpp loads.

    python make_tiny_gguf.py FOLDER FILE.gguf

Run by llama.cpp's environment: needs gguf and numpy. Weights become float32: a small model is small either way, and
every build of llama.cpp computes with them.
"""

import argparse
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gguf
    import numpy as np


def main() -> None:
    import gguf

    given = _arguments()
    folder = Path(given.folder)
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(given.file, config["model_type"])
    write_shape(writer, config)
    write_tokenizer(writer, folder, config)
    arch = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3}[config["model_type"]]
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    for name, values in tensors(folder / "model.safetensors"):
        called = names.get_name(name, try_suffixes=(".weight",))
        if called is None:
            raise SystemExit(f"{folder}: gguf has no name for {name}")
        writer.add_tensor(called, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{given.file}: {Path(given.file).stat().st_size / 1e6:.2f} MB")


def write_shape(writer: "gguf.GGUFWriter", config: dict[str, Any]) -> None:
    """What `config.json` says, by GGUF's keys."""
    import gguf

    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    for add in (writer.add_key_length, writer.add_value_length, writer.add_rope_dimension_count):
        add(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])


def write_tokenizer(writer: "gguf.GGUFWriter", folder: Path, config: dict[str, Any]) -> None:
    """The byte-level BPE of `tokenizer.json`."""
    import gguf

    document = json.loads((folder / "tokenizer.json").read_text())
    special = {each["id"]: each["content"] for each in document["added_tokens"]}
    words = {number: word for word, number in document["model"]["vocab"].items()} | special
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([words[number] for number in range(config["vocab_size"])])
    kinds = (gguf.TokenType.CONTROL if number in special else gguf.TokenType.NORMAL for number in sorted(words))
    writer.add_token_types([int(kind) for kind in kinds])
    merges = document["model"]["merges"]  # pairs since tokenizers 0.20, before that a text with a blank
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template((folder / "chat_template.jinja").read_text())


def tensors(path: Path) -> Iterator[tuple[str, "np.ndarray[Any, Any]"]]:
    """Names and values of a safetensors file in bfloat16, widened: a bfloat16 is the upper half of a float32."""
    import numpy as np

    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    for name, about in header.items():
        if name == "__metadata__":
            continue
        begin, end = about["data_offsets"]
        halves = np.frombuffer(content[8 + length + begin : 8 + length + end], np.uint16)
        yield name, (halves.astype(np.uint32) << 16).view(np.float32).reshape(about["shape"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
