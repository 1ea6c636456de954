import pytest
from matplotlib.figure import Figure

from imaxproxy.report.charts.energy import draw_energy
from imaxproxy.report.content import EnergyStack


def stack(**parts: float) -> EnergyStack:
    return EnergyStack(parts, sum(parts.values()), 400.0, "board", "regression", valid=True)


def test_parts_stand_on_each_other_and_simulated_bars_are_hatched() -> None:
    figure = Figure()
    draw_energy(figure, [("c4", False, stack(idle=0.5, prefill=0.2)), ("c64", True, stack(prefill=0.1, answer=0.3))])
    axes = figure.axes[0]
    assert axes.get_legend_handles_labels()[1] == ["idle", "prefill", "decode: answer"]
    idle, prefill, answer = axes.containers
    assert [patch.get_height() for patch in idle] == [0.5, 0.0]
    assert [patch.get_y() for patch in prefill] == [0.5, 0.0]
    assert [patch.get_y() for patch in answer] == pytest.approx([0.7, 0.1])
    assert [patch.get_hatch() for patch in prefill] == [None, "///"]


def test_without_a_bar_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="an energy chart needs a bar"):
        draw_energy(Figure(), [])
