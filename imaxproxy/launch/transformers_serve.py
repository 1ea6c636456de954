"""Hugging Face `transformers serve`: the cheapest real engine. As seen with 5.19."""

from imaxproxy.launch.argv import common_env, flag_argv, limits_as_flags, refuse, wants_dummy
from imaxproxy.launch.engine import (
    Engine,
    MemoryFraction,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
    failures,
    milestones,
)
from imaxproxy.launch.recipe import CPU, Recipe


def _plan(recipe: Recipe, place: Place) -> Plan:
    if wants_dummy(recipe, place.dummy_weights):
        raise refuse(recipe, "weights", "transformers serve knows no random weights; make a model folder with some")
    if recipe.wanted_gpus > 1 or recipe.disaggregated or recipe.speculation:
        raise refuse(recipe, "parallel", "transformers serve runs on one GPU, without drafts")
    if recipe.served_name:
        raise refuse(recipe, "served_name", "transformers serve names a model by its path or id only; leave it out")
    if recipe.engine.reasoning_parser:
        raise refuse(recipe, "engine.reasoning_parser", "transformers serve has none; leave it out")
    flags = {"device": "cpu" if recipe.gpu.kind == CPU else "cuda:0", **limits_as_flags(recipe)}
    argv = [
        *(str(place.python), "-m", "transformers.cli.transformers", "serve", recipe.load_from),
        *("--host", place.host, "--port", str(place.port)),
        *flag_argv(flags | recipe.engine.flags),
    ]
    env = {**common_env(recipe, place.gpus), **recipe.engine.env}
    return Plan(processes=(Process(name="server", argv=tuple(argv), env=env),))


TRANSFORMERS = Engine(
    name="transformers",
    package="transformers",
    plan=_plan,
    readiness=Readiness(path="/health", lists_model=False),  # /v1/models is 500 when the hub is off
    milestones=milestones(
        (r"Started server process", "starting", 0.3),
        (r"Loading weights", "loading weights", 0.5),
        (r"Application startup complete", "serving", 1.0),
    ),
    failures=failures(  # of its own; what several engines say is in common_failures.py
        (r"Missing dependencies for serving", "its server is not installed: pip install 'transformers[serving]'"),
    ),
    memory=MemoryFraction(of="free after weights", default=0.9),
    stopping=Stopping(grace_s=5.0),
    # It captures a CUDA graph when a number of streams, rounded up to a power of two, comes for the first time: on an
    # H200 the first batch of each took 65 to 80 ms a token, the next ones 25 to 35.
    gpu_warmup_rounds=(1, 2, 4, 8, 16, 32, 64),
    named_by_path=True,
)
