from dataclasses import replace

from imaxproxy.live.screen.view import HELP, REMEMBERED, SORTS, TABS, View
from live.samples import snapshot

ONE = snapshot()
SECONDS = [replace(ONE, elapsed_s=float(second)) for second in range(5)]


def watching(count: int = 3) -> View:
    view = View()
    for each in SECONDS[:count]:
        view.take(each)
    return view


def press(view: View, *keys: str) -> View:
    for key in keys:
        view.press(key)
    return view


def test_the_newest_is_shown() -> None:
    assert View().shown is None
    assert watching().shown is SECONDS[2]


def test_a_pause_holds_what_is_shown_while_time_goes_on() -> None:
    view = press(watching(), "space")
    view.take(SECONDS[3])
    assert view.shown is SECONDS[2]
    assert press(view, "space").shown is SECONDS[3]


def test_one_can_step_back_and_on() -> None:
    view = press(watching(), "left", "left")
    assert view.shown is SECONDS[0]
    assert press(view, "left").shown is SECONDS[0]
    assert press(view, "right").shown is SECONDS[1]
    assert press(watching(), "right").held is None


def test_a_window_opens_closes_and_goes() -> None:
    view = press(watching(), "w")
    assert view.window is not None
    assert view.window.end is None
    view.take(SECONDS[3])
    press(view, "w")
    assert view.window is not None
    assert (view.window.start, view.window.end) == (SECONDS[2], SECONDS[3])
    assert press(view, "w").window is None


def test_a_window_may_be_marked_backwards() -> None:
    view = press(watching(), "w", "left", "w")
    assert view.window is not None
    assert view.window.start.elapsed_s < SECONDS[2].elapsed_s


def test_another_run_leaves_nothing_of_the_last_one() -> None:
    view = press(watching(), "w")
    view.take(SECONDS[0])
    assert view.window is None
    assert list(view.past) == [SECONDS[0]]


def test_the_past_is_bounded() -> None:
    view = View()
    for second in range(2 * REMEMBERED):
        view.take(replace(ONE, elapsed_s=float(second)))
    assert len(view.past) == REMEMBERED


def test_letters_go_into_the_filter_while_it_is_typed() -> None:
    view = press(watching(), "/", "q", "w", "backspace", "1", "enter")
    assert (view.filter, view.is_typing, view.is_over) == ("q1", False, False)
    assert press(view, "esc").filter == ""
    assert press(view, "/", "x", "esc").filter == ""


def test_each_kind_of_table_remembers_its_order() -> None:
    view = press(watching(), "s", "s")
    assert view.sorted_by("streams") == SORTS["streams"][2]
    press(view, "3", "s")
    assert view.sorted_by("group") == SORTS["group"][1]
    assert view.sorted_by("streams") == SORTS["streams"][2]
    assert press(view, "S").sorted_by("group") == SORTS["group"][0]


def test_tabs_go_round() -> None:
    view = watching()
    seen = [press(view, "tab").tab for _ in TABS]
    assert seen == [*TABS[1:], TABS[0]]
    assert press(view, "backtab").tab == TABS[-1]
    assert press(view, "2").tab == TABS[1]


def test_scrolling_never_goes_above_the_top() -> None:
    assert press(watching(), "down", "down", "up").scroll_rows == 1
    assert press(watching(), "up").scroll_rows == 0
    assert press(watching(), "pagedown", "home").scroll_rows == 0


def test_help_goes_with_any_key_and_q_leaves() -> None:
    view = press(watching(), "?")
    assert view.shows_help
    assert not press(view, "s").shows_help
    assert view.sorted_by("streams") == SORTS["streams"][0]
    assert press(view, "q").is_over


def test_escape_takes_back_one_thing_after_the_other() -> None:
    view = press(watching(), "/", "a", "enter", "w", "space")
    assert press(view, "esc").filter == ""
    assert press(view, "esc").window is None
    assert press(view, "esc").held is None


def test_keys_that_mean_nothing_do_nothing() -> None:
    assert press(watching(), "Z", "%", "ü", "end").shown is SECONDS[2]


def test_the_help_page_names_what_there_is() -> None:
    assert len(TABS) == 10
    assert any("1 … 9 0" in key for key, _ in HELP)
