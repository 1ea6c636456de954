import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim import architecture_names, load_architecture


@pytest.mark.parametrize(
    ("model", "billions", "kv_values_per_token"),
    [  # published totals; KV bytes at one byte a value
        ("gpt-oss-120b", 116.8, 2 * 18_432),
        ("llama-3.3-70b", 70.6, 163_840),
        ("deepseek-r1", 671.0, 35_136),
    ],
)
def test_shapes_add_up_to_the_published_size(model: str, billions: float, kv_values_per_token: int) -> None:
    shape = load_architecture(model)
    assert shape.total_weights / 1e9 == pytest.approx(billions, rel=0.001)
    assert shape.kv_values_per_token == kv_values_per_token


def test_window_layers_attend_to_no_more_than_their_window() -> None:
    shape = load_architecture("openai/gpt-oss-120b")
    assert shape.attended_tokens(100) == 100
    assert shape.attended_tokens(10_000) == 0.5 * 10_000 + 0.5 * 128
    assert load_architecture("llama-3.3-70b").attended_tokens(10_000) == 10_000


def test_an_unknown_model_names_the_known() -> None:
    with pytest.raises(UsageError, match=", ".join(architecture_names())):
        load_architecture("gpt-2")
