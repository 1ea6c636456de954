import pytest

from imaxproxy.economics import fleet_of


def test_a_megawatt_of_b200() -> None:
    """1 MW of 1.71 kW: 584 GPUs; at 2,500 output tokens/s and 50 a user 29,200 streams; 730 hours a month."""
    fleet = fleet_of(1.0, 1.71, 2.60, 2_500.0, 50.0)
    assert (fleet.gpus, fleet.users) == (584, 29_200)
    assert fleet.usd_per_month == pytest.approx(584 * 2.60 * 730)


def test_users_need_an_interactivity() -> None:
    assert fleet_of(1.0, 1.71, 2.60).users is None
    assert fleet_of(1.0, 1.71, 2.60, 2_500.0).users is None


@pytest.mark.parametrize(("megawatts", "kw"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_a_fleet_needs_power(megawatts: float, kw: float) -> None:
    with pytest.raises(ValueError, match="needs power"):
        fleet_of(megawatts, kw, 1.0)
