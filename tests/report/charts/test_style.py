import pytest

from imaxproxy.report.charts.style import COLOURS, label_of, look_of, shared_words, told_apart


def test_simulated_is_hollow_and_dashed_measured_is_neither() -> None:
    measured, simulated = (look_of(0, simulated=each, published=False) for each in (False, True))
    assert (measured.is_hollow, measured.line["linestyle"]) == (False, "solid")
    assert measured.points["markerfacecolor"] == measured.colour
    assert simulated.is_hollow
    assert simulated.points["markerfacecolor"] == "white"
    assert simulated.line["linestyle"] != "solid"
    assert look_of(0, simulated=False, published=True).line["linestyle"] not in ("solid", simulated.line["linestyle"])
    assert label_of("b200", simulated=True) == "b200 (simulated)"


def test_no_two_of_80_series_look_alike() -> None:
    looks = [look_of(place, simulated=False, published=False) for place in range(8 * len(COLOURS))]
    assert len({(look.colour, look.shape) for look in looks}) == len(looks)


@pytest.mark.parametrize(
    ("names", "short", "shared"),
    [
        (["m b200 vllm", "m h200 vllm"], ["b200", "h200"], "m vllm"),
        (["m b200", "m b200 trtllm"], ["m b200", "m b200 trtllm"], "m b200"),  # nothing would be left of one
        (["m b200"], ["m b200"], "m b200"),
        ([], [], ""),
    ],
)
def test_names_are_told_apart_by_what_differs(names: list[str], short: list[str], shared: str) -> None:
    assert list(told_apart(names).values()) == short
    assert shared_words(names) == shared
