import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe, recipe_names, vary
from imaxproxy.launch.variant import toml_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = TEXTS.filter(bool)
PLAIN = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    PLAIN | st.dates(), lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(KEYS, deeper, max_size=3)
)


@pytest.mark.parametrize("name", recipe_names())
def test_nothing_changed_is_the_same_recipe(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.toml"
    varied, text = vary(name, {}, path)
    path.write_text(text)
    whole = load_recipe(name)
    for recipe in (varied, load_recipe(path)):
        for field in ("model", "gpu", "parallel", "engine", "limits", "simulate", "speculation", "disaggregated"):
            assert getattr(recipe, field) == getattr(whole, field)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_is_read_again(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_the_gpus_follow_the_split_unless_they_are_set(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    apart = {("parallel", "tp"): 2, ("disaggregated", "decode_workers"): 4}
    assert vary("gpt-oss-120b-gb200-dynamo-trtllm", apart, path)[0].gpu.count == 1 + 4 * 2
    with pytest.raises(UsageError, match=r"gpu.count must be .* 2, not 3"):
        vary("gpt-oss-120b-b200-vllm", {("parallel", "tp"): 2, ("gpu", "count"): 3}, path)
