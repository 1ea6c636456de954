"""Every recipe that ships can be simulated: its curve, and a load in virtual time."""

from pathlib import Path

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe, simulated_argv
from imaxproxy.sim import VirtualCluster, VirtualStream, assemble, parse_args, predict_curve

RECIPES = sorted(path.stem for path in (Path(__file__).parents[2] / "engines").glob("*.toml"))


def test_the_recipes_are_found() -> None:
    assert len(RECIPES) >= 18


OVER_NODES = {
    "deepseek-r1-fp8-h100-two-nodes-sglang": "tp 16 spans more than one NVLink domain of 8 H100 SXM",
    "deepseek-r1-fp8-h100-two-nodes-vllm": "pipeline parallelism is not simulated",
}
"""Those whose network is not modelled: said in a line, and no curve that leaves it out."""


@pytest.mark.parametrize("name", OVER_NODES)
def test_what_is_not_modelled_is_refused_in_a_line(name: str) -> None:
    with pytest.raises(UsageError, match=OVER_NODES[name]):
        predict_curve(parse_args(simulated_argv(load_recipe(name))), [1], 1024, 256)


@pytest.mark.parametrize("name", sorted({*RECIPES} - {*OVER_NODES}))
def test_a_shipped_recipe_has_a_curve_and_runs_in_virtual_time(name: str) -> None:
    recipe = load_recipe(name)
    args = parse_args(simulated_argv(recipe))
    parts = assemble(args)
    if args.fixed_step_ms is None:
        low, high = predict_curve(args, [1, 32], 1024, 256)
        assert low.gpus == recipe.gpu.count
        assert 0 < low.steady.tpot_s <= high.steady.tpot_s < 1
        assert high.steady.output_tokens_per_s > low.steady.output_tokens_per_s
    ends: list[int] = []
    cluster = VirtualCluster(parts, lambda _stream, now_ns: ends.append(now_ns))
    tokens = min(512, parts.limits.context_tokens // 2)
    for number in range(8):
        cluster.submit(VirtualStream(number, 0, tokens, 40), 0)
    while cluster.next_ns is not None:
        cluster.advance()
    assert len(ends) == 8
    assert 40 * NS_PER_MS / 10 < ends[-1] < 60_000 * NS_PER_MS
    assert (cluster.energy_j > 0) == (args.fixed_step_ms is None)
