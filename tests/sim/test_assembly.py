import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim import constants_sha256
from imaxproxy.sim.args import parse_args
from imaxproxy.sim.assembly import assemble


def test_a_modelled_engine_says_what_it_is_and_how_far_to_trust_it() -> None:
    described = assemble(parse_args(["--tp", "8", "--recipe", "mine"])).described
    assert (described["simulated"], described["recipe"], described["gpus"]) == (True, "mine", 8)
    assert (described["expected_error"], described["in_calibrated_range"]) == (0.1, True)
    assert described["constants_sha256"] == constants_sha256()


def test_outside_the_calibrated_range_more_error_is_expected() -> None:
    described = assemble(parse_args(["--gpu", "gb300"])).described
    assert (described["expected_error"], described["in_calibrated_range"]) == (0.3, False)


def test_a_fixed_engine_models_no_hardware() -> None:
    described = assemble(parse_args(["--fixed-step-ms", "5", "--model", "tiny"])).described
    assert (described["gpu"], described["gpus"], described["expected_error"]) == (None, None, None)
    assert (described["fixed_step_ms"], described["fixed_ttft_ms"]) == (5, 5)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--model", "gpt-2"], "no shape known of model 'gpt-2'"),
        (
            ["--model", "deepseek-r1", "--precision", "fp8"],
            r"does not fit on 1 B200 SXM: .* leaves 0.9 x 180 GB - 672.9 GB - 4 GB = -514.9 GB .* least tp .* is 8",
        ),
        (["--max-num-batched-tokens", "8", "--max-num-seqs", "16"], "max-num-batched-tokens"),
        (["--gpu", "tpu"], "unknown GPU 'tpu'; known: h100"),
    ],
)
def test_what_cannot_run_is_refused(argv: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        assemble(parse_args(argv))
