"""Does this machine have what a recipe needs? Each thing that is missing comes with the command that mends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from imaxproxy.launch.engines import model_engine
from imaxproxy.launch.facts import Facts, Needs, package_of, workers_package
from imaxproxy.launch.gpus import GpuFound
from imaxproxy.launch.limits import stated_limits
from imaxproxy.launch.recipe import CPU, Recipe

State = Literal["ok", "missing", "unknown"]
_GB = 1e9
_SPARE = 1.05
"""A download wants a little more than the weights: tokenizer, config, other formats."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    says: str
    mend: str | None = None
    """The command, or what else to do; None when nothing is missing."""


def check(recipe: Recipe, facts: Facts, needs: Needs) -> list[Finding]:
    """All findings, in the order in which a start would trip over them."""
    return [
        *_gpu_findings(recipe, facts, needs),
        *_engine_findings(recipe, facts),
        *_model_findings(recipe, facts, needs),
        _port_finding(facts),
    ]


def _gpu_findings(recipe: Recipe, facts: Facts, needs: Needs) -> Iterator[Finding]:
    if recipe.gpu.kind == CPU:
        yield Finding("gpu", "ok", "none is needed: this recipe runs on the CPU")
        return
    if not facts.gpus.gpus:
        says = f"{recipe.gpus_per_node} x {recipe.gpu.kind} wanted{_on_each(recipe)}, and {facts.gpus.why_none}"
        simulate = f"imaxproxy replay TRACE --engine {recipe.name} --simulate"
        on_one = "run this on one of the nodes that have them"
        yield Finding("gpu", "missing", says, simulate if recipe.parallel.nodes == 1 else on_one)
        return
    yield Finding("driver", "ok", f"{facts.gpus.driver}, runs CUDA up to {_dotted(facts.gpus.cuda)}")
    gpus = _chosen(facts)
    yield _kind_finding(recipe, gpus)
    yield _count_finding(recipe, gpus)
    yield from _memory_findings(recipe, gpus[: recipe.gpus_per_node], needs)


def _chosen(facts: Facts) -> list[GpuFound]:
    """Those that the engine may see, in that order."""
    if facts.chosen is None:
        return list(facts.gpus.gpus)
    by_name = {name: gpu for gpu in facts.gpus.gpus for name in (str(gpu.index), gpu.uuid)}
    return [by_name[name] for name in facts.chosen if name in by_name]


def _kind_finding(recipe: Recipe, gpus: list[GpuFound]) -> Finding:
    names = sorted({gpu.name for gpu in gpus})
    if all(gpu.kind == recipe.gpu.kind for gpu in gpus):
        return Finding("gpu", "ok", ", ".join(names) or "none chosen")
    here = next((gpu.kind for gpu in gpus if gpu.kind not in (None, recipe.gpu.kind)), None)
    mend = f"imaxproxy engine list --gpu {here}" if here else f"give your own recipe: extends = {recipe.name!r}, [gpu]"
    return Finding("gpu", "missing", f"{recipe.gpu.kind} wanted, here is {', '.join(names)}", mend)


def _count_finding(recipe: Recipe, gpus: list[GpuFound]) -> Finding:
    says = f"{recipe.gpus_per_node} wanted{_on_each(recipe)}, {len(gpus)} to be had"
    if len(gpus) >= recipe.gpus_per_node:
        return Finding("gpu count", "ok", says)
    mend = "a recipe of fewer: imaxproxy engine list, or [parallel] of your own; `nvidia-smi -L` shows what is here"
    return Finding("gpu count", "missing", says, mend)


def _on_each(recipe: Recipe) -> str:
    return f" on each of {recipe.parallel.nodes} nodes" if recipe.parallel.nodes > 1 else ""


def _memory_findings(recipe: Recipe, gpus: list[GpuFound], needs: Needs) -> Iterator[Finding]:
    engine = model_engine(recipe)
    fraction = stated_limits(recipe).memory_fraction or (engine.memory.default if engine.memory else None)
    for gpu in gpus:
        wanted, why = _wanted_bytes(recipe, gpu, needs, fraction)
        says = f"GPU {gpu.index}: {gpu.free_bytes / _GB:.1f} of {gpu.total_bytes / _GB:.1f} GB free"
        if wanted is None:
            yield Finding("gpu memory", "unknown", f"{says}; what the recipe takes is not known: {why}")
        elif gpu.free_bytes >= wanted:
            yield Finding("gpu memory", "ok", f"{says}, {wanted / _GB:.1f} wanted ({why})")
        else:
            mend = "nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv, then end what holds it"
            yield Finding("gpu memory", "missing", f"{says}, {wanted / _GB:.1f} wanted ({why})", mend)


def _wanted_bytes(recipe: Recipe, gpu: GpuFound, needs: Needs, fraction: float | None) -> tuple[float | None, str]:
    """vLLM refuses to start when its whole share is not free; the others want room for the weights at least."""
    engine = model_engine(recipe)
    if engine.memory is not None and engine.memory.of == "total" and fraction is not None:
        return fraction * gpu.total_bytes, f"{fraction:g} of it, limits.memory_fraction"
    if needs.weight_bytes_per_gpu is None:
        return None, f"no shape is known of {recipe.model}"
    return needs.weight_bytes_per_gpu, "its weights alone"


def _engine_findings(recipe: Recipe, facts: Facts) -> Iterator[Finding]:
    package, installed = package_of(recipe), facts.installed
    version = installed.versions.get(package)
    if version is None:
        why = installed.why or f"{package} is not in {facts.bin.parent} (Python {installed.python})"
        yield Finding("engine", "missing", why, _install_command(recipe))
        return
    if recipe.engine.name == "llamacpp":
        yield Finding("engine", "ok", f"{facts.bin / package}: {version}")
        return
    yield Finding("engine", "ok", f"{package} {version} in {facts.bin.parent}")
    yield _version_finding(recipe, version)
    workers = workers_package(recipe)
    if workers is not None:
        yield _workers_finding(recipe, facts, workers)
    have, wanted = facts.gpus.cuda, installed.cuda_major
    if recipe.gpu.kind != CPU and have and wanted and have[0] < wanted:
        says = f"{package} brings CUDA {wanted}, the driver runs {_dotted(have)} at most"
        yield Finding("driver", "missing", says, f"update the NVIDIA driver to one for CUDA {wanted}")


def _workers_finding(recipe: Recipe, facts: Facts, package: str) -> Finding:
    """Dynamo's workers run another engine, in the same environment."""
    version = facts.installed.versions.get(package)
    if version is not None:
        return Finding("workers", "ok", f"{package} {version}")
    mend = f"{facts.bin}/python -m pip install 'ai-dynamo[{recipe.engine.backend}]'"
    return Finding("workers", "missing", f"{package} is not in {facts.bin.parent}", mend)


def _version_finding(recipe: Recipe, version: str) -> Finding:
    wanted = recipe.engine.version_range
    try:
        known = Version(version)
    except InvalidVersion:
        return Finding("version", "unknown", f"{version} is no version that can be compared")
    if wanted is None:
        same = known.public == Version(recipe.engine.version).public
        says = f"{version}, as the recipe's source" if same else f"{version}; the source ran {recipe.engine.version}"
        return Finding("version", "ok" if same else "unknown", says)
    if SpecifierSet(wanted).contains(known, prereleases=True):
        return Finding("version", "ok", f"{version} is within {wanted} (the source ran {recipe.engine.version})")
    return Finding("version", "missing", f"{version} is not within {wanted}", _install_command(recipe))


def _install_command(recipe: Recipe) -> str:
    engine, package = recipe.engine, package_of(recipe)
    if engine.name == "llamacpp":
        return "build llama-server from github.com/ggml-org/llama.cpp, then --engine-env FOLDER"
    venv = f"~/.venvs/{engine.name}"
    index = " --extra-index-url https://pypi.nvidia.com" if engine.name in ("trtllm", "dynamo") else ""
    wanted = f"{package}{engine.version_range or f'=={engine.version}'}"
    command = f"python3 -m venv {venv} && {venv}/bin/pip install '{wanted}'{index}, then --engine-env {venv}"
    return f"{command}; or inside the image {engine.image}" if engine.image else command


def _model_findings(recipe: Recipe, facts: Facts, needs: Needs) -> Iterator[Finding]:
    found = facts.checkpoint
    if found.lacks is None:
        size = f", {found.bytes / _GB:.1f} GB of weights" if found.bytes else ""
        yield Finding("model", "ok", f"{found.path}{size}")
    else:
        yield Finding("model", "missing", f"there is no {found.lacks}", _model_command(recipe))
        if recipe.model_path is None:
            yield _disk_finding(facts, needs)
    if facts.drafter is not None and recipe.speculation is not None:
        drafter = recipe.speculation.model
        if facts.drafter.lacks is None:
            yield Finding("drafter", "ok", str(facts.drafter.path))
        else:
            yield Finding("drafter", "missing", f"there is no {facts.drafter.lacks}", f"hf download {drafter}")


def _model_command(recipe: Recipe) -> str:
    if recipe.model_path is not None:
        return f"put {recipe.model} there, or name its folder with --model-path"
    gated = f"; if it is gated: accept its licence at https://huggingface.co/{recipe.model} and `hf auth login`"
    return f"hf download {recipe.model}{gated}; or --dummy-weights, which needs its config and tokenizer only"


def _disk_finding(facts: Facts, needs: Needs) -> Finding:
    says = f"{facts.hub_free_bytes / _GB:.0f} GB free at {facts.hub}"
    if needs.weight_bytes is None:
        return Finding("disk", "unknown", f"{says}; the size of the model is not known")
    wanted = needs.weight_bytes * _SPARE
    if facts.hub_free_bytes >= wanted:
        return Finding("disk", "ok", f"{says}, about {wanted / _GB:.0f} wanted for the model")
    mend = "export HF_HOME=FOLDER on a larger disk, or remove models: `hf cache ls`, `hf cache rm`"
    return Finding("disk", "missing", f"{says}, about {wanted / _GB:.0f} wanted for the model", mend)


def _port_finding(facts: Facts) -> Finding:
    if facts.port_error is None:
        return Finding("port", "ok", f"{facts.port} is free")
    return Finding("port", "missing", facts.port_error, f"ss -ltnp 'sport = :{facts.port}' shows who has it")


def _dotted(version: tuple[int, int] | None) -> str:
    return f"{version[0]}.{version[1]}" if version else "?"
