from dataclasses import fields, replace

import pytest

from imaxproxy.launch import Limits, load_recipe, recipe_names, stated_limits
from imaxproxy.launch.limits import LIMIT_FLAGS
from imaxproxy.launch.recipe_fields import DYNAMO_BACKENDS, ENGINE_NAMES
from tests.launch.plans import recipe


def test_every_engine_has_its_words_for_limits() -> None:
    assert set(LIMIT_FLAGS) == {*ENGINE_NAMES, *DYNAMO_BACKENDS} - {"dynamo"}
    known = {one.name for one in fields(Limits)}
    assert all(set(words) <= known for words in LIMIT_FLAGS.values())


@pytest.mark.parametrize(
    ("name", "flags", "options", "limit", "value"),
    [
        ("gpt-oss-120b-b200-vllm", {"block-size": 64}, {}, "block_size", 64),
        ("tiny-cpu-sglang", {"disable-radix-cache": True}, {}, "prefix_caching", False),
        ("tiny-cpu-sglang", {"disable-radix-cache": False}, {}, "prefix_caching", True),
        ("tiny-cpu-sglang", {}, {}, "prefix_caching", None),
        ("gpt-oss-120b-b200-trtllm", {}, {"kv_cache_config": {"tokens_per_block": 32}}, "block_size", 32),
        ("gpt-oss-120b-b200-trtllm", {}, {"kv_cache_config": "none"}, "block_size", None),
        ("tiny-dynamo-mocker", {"max-num-seqs": 5}, {}, "max_num_seqs", 5),
        ("tiny-cpu-transformers", {"cb-block-size": 8}, {}, "block_size", 8),
    ],
)
def test_a_limit_that_is_said_as_a_raw_flag_is_known_too(
    name: str, flags: dict[str, object], options: dict[str, object], limit: str, value: object
) -> None:
    found = recipe(name)
    found = replace(found, engine=replace(found.engine, flags=flags, options=options))
    assert getattr(stated_limits(found), limit) == value


@pytest.mark.parametrize("name", recipe_names())
def test_stated_limits_hold_all_of_the_recipes_own(name: str) -> None:
    found = load_recipe(name)
    for one in fields(Limits):
        own = getattr(found.limits, one.name)
        assert own is None or getattr(stated_limits(found), one.name) == own
