import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import DisaggregatedChoice, GpuChoice, Parallel, Recipe
from tests.launch.plans import part, plan, recipe, value


def test_the_server_is_started_as_the_recipe_says() -> None:
    (server,) = plan(recipe("deepseek-r1-fp4-b200-sglang")).processes
    assert server.argv[:3] == ("/venv/bin/python", "-m", "sglang.launch_server")
    assert value(server.argv, "--model-path") == "nvidia/DeepSeek-R1-0528-FP4-V2"
    assert (value(server.argv, "--tp-size"), value(server.argv, "--ep-size")) == ("4", "4")
    assert value(server.argv, "--mem-fraction-static") == "0.85"
    assert "--disable-radix-cache" in server.argv
    assert server.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_mtp_is_eagle_with_the_models_own_layer() -> None:
    (server,) = plan(recipe("deepseek-r1-fp8-b200-mtp-sglang")).processes
    assert value(server.argv, "--speculative-algorithm") == "EAGLE"
    assert value(server.argv, "--speculative-num-steps") == "2"
    assert value(server.argv, "--speculative-num-draft-tokens") == "3"
    assert "--speculative-draft-model-path" not in server.argv
    assert "SGLANG_SIMULATE_ACC_LEN" not in server.env


def test_drafts_on_random_weights_are_accepted_as_stated() -> None:
    (server,) = plan(recipe("deepseek-r1-fp8-b200-mtp-sglang"), dummy_weights=True).processes
    assert server.env["SGLANG_SIMULATE_ACC_LEN"] == "2.2"


def test_dp_attention_is_data_parallelism_inside_the_group() -> None:
    apart = recipe("deepseek-r1-fp4-b200-sglang", parallel=Parallel(tp=4, ep=4, dp_attention=True))
    (server,) = plan(apart).processes
    assert (value(server.argv, "--tp-size"), value(server.argv, "--dp-size")) == ("4", "4")
    assert "--enable-dp-attention" in server.argv


def test_what_sglang_alone_cannot_do_is_refused() -> None:
    with pytest.raises(UsageError, match=r"disaggregated: SGLang alone .* engine dynamo"):
        plan(recipe("tiny-cpu-sglang", disaggregated=DisaggregatedChoice(1, 1)))


def over_two(**split: int) -> Recipe:
    parallel = Parallel(nodes=2, **split)
    return recipe("deepseek-r1-fp8-h200-sglang", parallel=parallel, gpu=GpuChoice("h200", parallel.ranks))


def test_a_part_of_several_knows_its_rank_and_where_all_meet() -> None:
    (other,) = plan(
        over_two(tp=16), host="10.0.0.2", port=8123, part=part(1, env={"GLOO_SOCKET_IFNAME": "e"})
    ).processes
    assert (value(other.argv, "--nnodes"), value(other.argv, "--node-rank")) == ("2", "1")
    assert (value(other.argv, "--dist-init-addr"), value(other.argv, "--tp-size")) == ("10.0.0.1:29500", "16")
    assert (value(other.argv, "--host"), value(other.argv, "--port")) == ("10.0.0.2", "8123")  # its health
    assert other.env["GLOO_SOCKET_IFNAME"] == "e"
    assert len(other.env["CUDA_VISIBLE_DEVICES"].split(",")) == 8
    (six,) = plan(over_two(tp=2), part=part(0, head="fd00::1")).processes
    assert value(six.argv, "--dist-init-addr") == "[fd00::1]:29500"


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ({"dp": 2}, "parallel.dp: over nodes SGLang has dp_attention only"),
        (
            {"pp": 3, "tp": 2},
            "parallel.nodes: SGLang gives a node whole stages, or a stage whole nodes, not 2 nodes to pp",
        ),
    ],
)
def test_what_sglang_cannot_spread_is_refused(split: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan(over_two(**split), part=part(0))
