from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.live.screen.glyphs import LOOK_BACK, bar, binned, coloured_columns, columns, steps_a_cell

VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=300)


@given(st.integers(1, 200))
def test_a_minute_is_always_seen(width: int) -> None:
    assert width * steps_a_cell(width) >= LOOK_BACK


@given(VALUES, st.integers(1, 120), st.integers(300, 4000))
def test_time_moves_the_picture_and_never_changes_it(values: list[float | None], width: int, newest: int) -> None:
    """A step later all cells but the oldest and the newest are what they were, one place on at most."""
    before = binned(values, width, newest=newest)
    after = binned([*values, 7.0], width, newest=newest + 1)
    moved = (newest + 1) // steps_a_cell(width) - newest // steps_a_cell(width)
    assert after[: width - moved][:-1] == before[moved:][: width - moved - 1]
    assert len(before) == len(after) == width


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.integers(1, 6))
def test_what_is_not_nothing_can_be_seen(values: list[float], height: int) -> None:
    lines = columns(values, height, "")
    assert len(lines) == height
    for index, value in enumerate(values):
        seen = any(line.plain[index] != " " for line in lines)
        assert seen == (value > 0)


def test_a_graph_from_zero_to_its_peak() -> None:
    assert [line.plain for line in columns([0, 25, 50, 75, 100, None], 2, "")] == ["   ▃▇ ", " ▄▇██ "]


def test_each_column_has_its_colour() -> None:
    (line,) = coloured_columns([1.0, 2.0], ["red", "blue"], 1)
    assert [(line.plain[span.start : span.end], span.style) for span in line.spans] == [("▃", "red"), ("▇", "blue")]


@given(st.floats(-1, 2), st.integers(0, 40))
def test_a_bar_has_its_width(share: float, width: int) -> None:
    assert bar(share, width, "", "").cell_len == width


def test_a_bar_in_halves() -> None:
    assert bar(0.55, 10, "", "").plain == "━━━━━╸────"
