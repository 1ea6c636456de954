from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from imaxproxy.live.screen.table import Column, table

COLUMNS = (
    Column("name", 6, 0, right=False, grows=True, most=12),
    Column("count", 5, 1),
    Column("model", 8, 3, right=False, grows=True, most=20),
    Column("rate", 6, 2),
)


def shown(width: int, *rows: tuple[str, ...]) -> list[str]:
    return [line.plain for line in table(COLUMNS, [[Text(cell) for cell in row] for row in rows], width)]


@given(st.integers(6, 80))
def test_no_line_is_wider_than_there_is_room(width: int) -> None:
    assert all(len(line) <= width for line in shown(width, ("a" * 30, "1", "m" * 30, "2")))


def test_the_least_important_column_goes_first() -> None:
    row = ("chat", "12", "gpt-oss", "3.4")
    assert shown(31, row)[0].split() == ["name", "count", "model", "rate"]
    assert shown(30, row)[0].split() == ["name", "count", "rate"]
    assert shown(14, row)[0].split() == ["name", "count"]
    assert shown(6, row)[0].split() == ["name"]


def test_a_name_may_be_read_before_a_lesser_column_comes_in() -> None:
    assert shown(31, ("abcdefghijkl", "12", "gpt-oss", "3.4"))[1] == "abcdefghijkl     12     3.4"


def test_columns_grow_no_further_than_what_stands_in_them() -> None:
    head, row = shown(80, ("chat", "12", "gpt-oss-120b", "3.4"))
    assert row == "chat       12  gpt-oss-120b     3.4"
    assert head == "name    count  model           rate"


def test_names_that_nobody_gave_take_no_column() -> None:
    assert shown(60, ("chat", "12", "", "3.4"))[0].split() == ["name", "count", "rate"]


def test_the_column_that_is_sorted_by_is_marked() -> None:
    (head,) = table(COLUMNS, [], 40, sorted_by="count")
    marked = [head.plain[span.start : span.end].strip() for span in head.spans if "underline" in str(span.style)]
    assert marked == ["count"]
