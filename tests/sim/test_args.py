import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim.args import parse_args


def test_the_defaults_are_gpt_oss_on_a_b200() -> None:
    args = parse_args([])
    assert (args.model, args.gpu, args.engine, args.tp) == ("openai/gpt-oss-120b", "b200", "vllm", 1)
    assert (args.max_num_seqs, args.max_num_batched_tokens, args.prefix_caching) == (256, 8192, True)
    assert args.fixed_step_ms is None


def test_a_fixed_step_bounds_nothing_unless_told() -> None:
    args = parse_args(["--fixed-step-ms", "5"])
    assert args.fixed_ttft_ms == 5
    assert args.max_num_seqs > 10**9
    assert parse_args(["--fixed-step-ms", "5", "--max-num-seqs", "7"]).max_num_seqs == 7
    assert parse_args(["--fixed-step-ms", "5", "--max-num-batched-tokens", "64"]).max_num_seqs == 64


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--precision", "int4"], "invalid choice: 'int4'"),
        (["--tp", "0"], "must be 1 or more, not 0"),
        (["--warp", "9"], "unrecognized arguments"),
        (["--fixed-ttft-ms", "20"], "--fixed-ttft-ms needs --fixed-step-ms"),
        (["--reasoning-share", "1.5"], "a share from 0 to 1, not 1.5"),
    ],
)
def test_a_bad_flag_is_one_line(argv: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_args(argv)
    assert "\n" not in str(caught.value)
