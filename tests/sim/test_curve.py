import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim import parse_args, predict_curve


def test_more_users_get_less_each_and_more_together() -> None:
    points = [point.as_dict() for point in predict_curve(parse_args(["--tp", "2"]), [1, 8, 64, 256], 1024, 1024)]
    speeds = [point["tps_per_user"] for point in points]
    rates = [point["total_tokens_per_s_per_gpu"] for point in points]
    assert speeds == sorted(speeds, reverse=True)
    assert rates == sorted(rates)
    assert {point["expected_error"] for point in points} == {0.1}


@pytest.mark.parametrize(
    ("argv", "concurrency", "isl"),
    [(["--gpu", "gb300"], 1, 1024), ([], 512, 1024), ([], 1, 32768), (["--acceptance", "0.8"], 1, 1024)],
)
def test_what_the_fit_did_not_see_is_outside(argv: list[str], concurrency: int, isl: int) -> None:
    (point,) = predict_curve(parse_args(argv), [concurrency], isl, 1024)
    assert point.as_dict()["expected_error"] == 0.3


def test_replicas_have_the_rates_of_one_each() -> None:
    (one,) = predict_curve(parse_args([]), [16], 1024, 1024)
    (four,) = predict_curve(parse_args(["--replicas", "4"]), [64], 1024, 1024)
    assert four.gpus == 4
    assert four.steady.tpot_s == one.steady.tpot_s
    assert four.steady.total_tokens_per_s == pytest.approx(4 * one.steady.total_tokens_per_s)


def test_fixed_steps_predict_nothing() -> None:
    with pytest.raises(UsageError, match="models no hardware"):
        predict_curve(parse_args(["--fixed-step-ms", "5"]), [1], 1024, 1024)
