"""Start vLLM's own load client, the unchanged files of `vllm/benchmarks`, without vLLM's engine and without torch.

Run with the peers' interpreter and the unpacked folder on PYTHONPATH: `python vllm_client.py <vllm bench serve flags>`.
What the client imports from the rest of vLLM is replaced by what follows: none of it stands on the path of a token.
"""

import argparse
import asyncio
import gc
import logging
import sys
import types


def stub(name: str, **members: object) -> None:
    """Put a module in place of one of vLLM's."""
    module = types.ModuleType(name)
    module.__path__ = []
    vars(module).update(members)
    sys.modules[name] = module


class PlaceholderModule:
    """Stands for an optional library that is not here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def placeholder_attr(self, path: str) -> "PlaceholderModule":
        return PlaceholderModule(f"{self.name}.{path}")


def get_tokenizer(folder: str, **options: object) -> object:
    from transformers import PreTrainedTokenizerFast  # on demand, as vLLM itself

    return PreTrainedTokenizerFast.from_pretrained(folder)


def freeze_gc_heap() -> None:
    """vLLM's own, from `vllm/utils/gc_utils.py`."""
    for generation in (0, 1, 2):
        gc.collect(generation)
    gc.freeze()


def stub_vllm() -> None:
    stub("vllm.inputs", MultiModalDataDict=dict)
    stub("vllm.lora")
    stub("vllm.lora.request", LoRARequest=object)
    stub("vllm.lora.utils", get_adapter_absolute_path=str)
    stub("vllm.multimodal")
    stub("vllm.multimodal.audio", get_audio_duration=None)
    stub("vllm.multimodal.image", convert_image_mode=None)
    stub("vllm.multimodal.utils", encode_image_url=None, fetch_image=None)
    stub("vllm.tokenizers", TokenizerLike=object, get_tokenizer=get_tokenizer)
    stub("vllm.transformers_utils")
    stub("vllm.transformers_utils.repo_utils", hf_api=None)
    stub("vllm.logger", init_logger=logging.getLogger)
    stub("vllm.utils")
    stub("vllm.utils.argparse_utils", FlexibleArgumentParser=argparse.ArgumentParser)
    stub("vllm.utils.gc_utils", freeze_gc_heap=freeze_gc_heap)
    stub("vllm.utils.import_utils", PlaceholderModule=PlaceholderModule)
    stub("vllm.utils.mistral", is_mistral_tokenizer=lambda tokenizer: False)
    stub("vllm.utils.network_utils", join_host_port=lambda host, port: f"{host}:{port}")


def main() -> None:
    stub_vllm()
    from vllm.benchmarks import serve

    parser = argparse.ArgumentParser()
    serve.add_cli_args(parser)
    asyncio.run(serve.main_async(parser.parse_args()))


if __name__ == "__main__":
    main()
