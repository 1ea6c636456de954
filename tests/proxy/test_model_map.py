import pytest

from imaxproxy.errors import UsageError
from imaxproxy.proxy import ModelMap

UPSTREAMS = ("a", "b")


def test_names_and_what_they_stand_for() -> None:
    models = ModelMap.parse(["gpt=llama", "big=a:llama-405b", "big=b:llama-405b-fp8", "o=llama3:8b"], UPSTREAMS)
    assert [models.model_at(name, "gpt") for name in UPSTREAMS] == ["llama", "llama"]
    assert [models.model_at(name, "big") for name in UPSTREAMS] == ["llama-405b", "llama-405b-fp8"]
    assert models.model_at("a", "o") == "llama3:8b"  # no upstream is called llama3
    assert models.model_at("a", "other") == "other"
    assert models.public_names("a") == [("gpt", "llama"), ("big", "llama-405b"), ("o", "llama3:8b")]


def test_a_name_that_is_elsewhere_only() -> None:
    models = ModelMap.parse(["gpt=b:llama"], UPSTREAMS)
    assert (models.model_at("a", "gpt"), models.model_at("b", "gpt")) == (None, "llama")
    assert models.public_names("a") == []


def test_an_upstreams_own_entry_goes_before_the_one_for_all() -> None:
    models = ModelMap.parse(["gpt=llama", "gpt=b:llama-fp8"], UPSTREAMS)
    assert [models.model_at(name, "gpt") for name in UPSTREAMS] == ["llama", "llama-fp8"]


@pytest.mark.parametrize("text", ["gpt", "=llama", "gpt=", "gpt=a:", ""])
def test_what_is_no_entry(text: str) -> None:
    with pytest.raises(UsageError, match="--model-map must be like"):
        ModelMap.parse([text], UPSTREAMS)


def test_a_name_means_one_model_at_one_place() -> None:
    with pytest.raises(UsageError, match="has a model there already"):
        ModelMap.parse(["gpt=a:x", "gpt=a:y"], UPSTREAMS)
