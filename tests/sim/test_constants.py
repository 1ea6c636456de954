import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim import constants_sha256, expected_error, model_version
from imaxproxy.sim.constants import calibrated_range, engine_names, load_constants


@pytest.mark.parametrize("architecture", ["hopper", "blackwell"])
@pytest.mark.parametrize("engine", engine_names())
def test_every_engine_has_constants_on_every_architecture(architecture: str, engine: str) -> None:
    constants = load_constants(architecture, engine)
    assert 0 < constants.dense_bandwidth_efficiency <= 1
    assert all(0 < share <= 1 for share in constants.compute_efficiency.values())


def test_outputs_can_name_the_constants() -> None:
    assert len(constants_sha256()) == 64
    assert model_version()
    assert expected_error(True) < expected_error(False)
    assert "b200" in calibrated_range().gpus


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="known: trtllm, vllm, sglang"):
        load_constants("hopper", "llamacpp")
