"""Every way in which engines were seen to die has advice; of two causes in a log the one behind the other is told."""

from pathlib import Path

import pytest

from imaxproxy.launch.common_failures import COMMON_FAILURES
from imaxproxy.launch.engine_log import diagnose
from imaxproxy.launch.engines import ENGINES

MEMORY, KV, FLAG, GATED, PATH, PORT, GPUS = (
    "there is not memory enough",
    "no room is left for the KV cache",
    "the engine does not know",
    "the model is gated",
    "there is no model where the recipe says",
    "the port was taken",
    "the engine sees fewer GPUs",
)


LOGS = Path(__file__).parents[1] / "data" / "launch"


def advice(text: str, tmp_path: Path, engine: str | None = None) -> str:
    log = tmp_path / "log"
    log.write_text(text)
    own = ENGINES[engine].failures if engine else ()
    return diagnose([log], (*own, *COMMON_FAILURES)).advice or "none"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        # the cause, and what only follows from it
        ("OutOfMemoryError: CUDA out of memory.\nException: Capture cuda graph failed: CUDA out of memory", MEMORY),
        ("ggml: failed to allocate CPU buffer of size 9\nllama_model_load: failed to load model", MEMORY),
        ("ValueError: No available memory for the cache blocks.\nRuntimeError: Engine core initialization failed.", KV),
        ("huggingface_hub.errors.GatedRepoError: 401 Client Error.\nOSError: gated repo", GATED),
        # words of a cause in lines that tell none
        ("(EngineCore pid=3) INFO 11-23 08:04:16 out of memory guard is on\nOSError: Address already in use", PORT),
        ("[TRT-LLM] [I] not enough GPUs would stop it\nRuntimeError: CUDA out of memory", MEMORY),
        ("server_args=ServerArgs(gated repo=None)\nserver: error: unrecognized arguments: --nope", FLAG),
        ("Ignore import error: No module named 'helion'\nRepo id must be in the form x", PATH),
        ("ValueError: gpus_per_node (8) must be at most 4", GPUS),
        ("RuntimeError: CUDA error: invalid device ordinal", GPUS),
    ],
)  # fmt: skip
def test_of_two_causes_the_one_that_explains_the_other_is_told(said: str, cause: str, tmp_path: Path) -> None:
    assert advice(said, tmp_path).startswith(cause)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("llamacpp-fail-badflag.log", "the engine does not know --no-such-flag"),
        ("llamacpp-fail-badmodel.log", "there is no GGUF file /nonexistent/model.gguf"),
        ("llamacpp-fail-brokenmodel.log", "broken.gguf is no whole GGUF file"),
        ("llamacpp-fail-port-in-use.log", PORT),
        ("llamacpp-fail-memory.log", MEMORY),
        ("sglang-fail-tp-cpu.log", "this CPU takes fewer ranks"),
        ("vllm-fail-badlen.log", "the model's heads cannot be split by parallel.tp = 3"),
    ],
)
def test_what_engines_were_recorded_with_has_their_own_advice(log: str, expected: str, tmp_path: Path) -> None:
    assert advice((LOGS / log).read_text(), tmp_path, log.split("-")[0]).startswith(expected)


@pytest.mark.parametrize(
    ("engine", "said", "expected"),
    [
        (
            "vllm",
            "ValueError: To serve at least one request, 4.0 GiB KV cache is needed, which is larger than the "
            "available KV cache memory. Based on the available memory, the estimated maximum model length is 7152.",
            "the KV cache holds 7152 tokens",
        ),
        ("sglang", "AssertionError: the total number of ranks (dp_size * tp_size = 3) should be smaller", "this CPU"),
        ("trtllm", "pydantic: stream_interva: Extra inputs are not permitted", "an option is unknown to this version"),
        ("llamacpp", "gguf_init_from_file: failed to open GGUF file '/m/x.gguf'", "there is no GGUF file /m/x.gguf"),
        ("transformers", "ImportError: Missing dependencies for serving", "its server is not installed"),
    ],
)
def test_an_engines_own_words_come_before_those_of_all(engine: str, said: str, expected: str, tmp_path: Path) -> None:
    assert advice(said, tmp_path, engine).startswith(expected)


def test_advice_names_only_flags_that_there_are() -> None:
    """Of ours: --engine-env was once called otherwise."""
    from imaxproxy.cli.engine_launch import launch

    known = {option for each in launch.params for option in each.opts} | {"--flags"}
    ours = {
        word.strip("`(),") for failure in COMMON_FAILURES for word in failure.advice.split() if word.startswith("--")
    }
    assert ours <= known
