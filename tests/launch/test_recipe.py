from pathlib import Path

import pytest

from imaxproxy.launch import DisaggregatedChoice, GpuChoice, Parallel, with_model_path
from tests.launch.plans import recipe

NAME = "gpt-oss-120b-b200-vllm"


def test_what_is_loaded_and_how_it_is_called() -> None:
    plain = recipe(NAME)
    assert (plain.load_from, plain.client_name) == ("openai/gpt-oss-120b", "openai/gpt-oss-120b")
    named = recipe(NAME, model_path="~/m", served_name="m")
    assert (named.load_from, named.client_name) == (str(Path.home() / "m"), "m")
    assert recipe(NAME, model_path="m").load_from == str(Path.cwd() / "m")
    assert with_model_path(plain, None) is plain
    assert with_model_path(plain, "/m").load_from == "/m"


@pytest.mark.parametrize(
    ("changes", "gpus"),
    [
        ({"parallel": Parallel(tp=4, pp=2, dp=2)}, 16),
        ({"parallel": Parallel(tp=4), "disaggregated": DisaggregatedChoice(2, 3, prefill_tp=2)}, 2 * 2 + 3 * 4),
        ({"gpu": GpuChoice("cpu", 0), "parallel": Parallel(tp=2)}, 0),
    ],
)
def test_the_gpus_of_a_split(changes: dict[str, object], gpus: int) -> None:
    assert recipe(NAME, **changes).wanted_gpus == gpus
