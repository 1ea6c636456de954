"""Start SGLang's own Python load client, the unchanged files of `sglang/benchmark`, without SGLang's engine and torch.

Run with the peers' interpreter and the unpacked folder on PYTHONPATH: `python sglang_client.py <bench_serving flags>`.
What the client imports from the rest of SGLang is replaced by what follows: none of it stands on the path of a token.
"""

import runpy
import sys
import types


def stub(name: str, **members: object) -> None:
    """Put a module in place of one of SGLang's."""
    module = types.ModuleType(name)
    module.__path__ = []
    vars(module).update(members)
    sys.modules[name] = module


def get_tokenizer(folder: str, **options: object) -> object:
    from transformers import PreTrainedTokenizerFast  # on demand, as SGLang itself

    return PreTrainedTokenizerFast.from_pretrained(folder)


def unreachable(*_: object, **__: object) -> None:
    raise RuntimeError("this part of SGLang is not here")


def stub_sglang() -> None:
    stub("datasets", Dataset=object, load_dataset=unreachable)
    stub("sglang.srt")
    stub("sglang.srt.disaggregation")
    stub("sglang.srt.disaggregation.utils", FAKE_BOOTSTRAP_HOST="2.2.2.2")
    stub("sglang.srt.utils", kill_process_tree=unreachable)
    stub(
        "sglang.srt.utils.network",
        resolve_base_url=lambda base_url, host, port: base_url or f"http://{host}:{port}",
        resolve_host_port=lambda host, port, *_: (host, port),
    )
    stub("sglang.srt.utils.hf_transformers_utils", get_processor=unreachable, get_tokenizer=get_tokenizer)


if __name__ == "__main__":
    stub_sglang()
    sys.argv[0] = "sglang.benchmark.serving"
    runpy.run_module("sglang.benchmark.serving", run_name="__main__")
