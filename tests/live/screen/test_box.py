from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from imaxproxy.live.screen.box import fitted, framed, spaced, stacked

WORDS = st.text(st.characters(exclude_categories=["C", "Z", "M"]), max_size=30)


@given(WORDS, st.integers(0, 30), st.booleans())
def test_exactly_so_many_cells_also_where_letters_are_wide(word: str, width: int, right: bool) -> None:
    assert fitted(word, width, right=right).cell_len == width


@given(WORDS, WORDS, st.integers(6, 40), st.integers(2, 6))
def test_a_frame_keeps_its_size(title: str, note: str, width: int, height: int) -> None:
    lines = framed(Text(title), Text(note), [Text(title * 3)] * 3, width, height, "")
    assert [line.cell_len for line in lines] == [width] * height


def test_what_is_cut_says_so() -> None:
    assert fitted("openai/gpt-oss-120b", 10).plain == "openai/gp…"


def test_the_right_one_stands_at_the_end_while_there_is_room() -> None:
    assert spaced(Text("left"), Text("right"), 12).plain == "left   right"
    assert spaced(Text("left"), Text("right"), 9).plain == "left     "


def test_lines_that_are_missing_are_blank() -> None:
    assert [line.plain for line in stacked([Text("a")], 2, 2)] == ["a ", "  "]
