"""What a worker that only reads prompts is told, where it differs from one that decodes."""

from dataclasses import asdict, replace

from imaxproxy.launch.options import merged
from imaxproxy.launch.recipe import Parallel, Recipe


def prefill_recipe(recipe: Recipe) -> Recipe:
    """The recipe of a prefill worker: its own split, and what its limits, flags and options say differently."""
    apart, engine = recipe.disaggregated, recipe.engine
    assert apart is not None, "only a disaggregated recipe has prefill workers"
    stated = {limit: value for limit, value in asdict(apart.prefill_limits).items() if value is not None}
    return replace(
        recipe,
        parallel=Parallel(tp=apart.prefill_tp, ep=apart.prefill_ep, dp_attention=apart.prefill_dp_attention),
        limits=replace(recipe.limits, **stated),
        engine=replace(
            engine, flags=engine.flags | apart.prefill_flags, options=merged(engine.options, apart.prefill_options)
        ),
    )
