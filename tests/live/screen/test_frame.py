"""Whole screens. `IMAX_REMAKE=1 pytest tests/live/screen/test_frame.py` remakes the golden ones; read the diff."""

import io
import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from imaxproxy.live.screen.frame import frame, waiting
from imaxproxy.live.screen.layout import SMALLEST
from imaxproxy.live.screen.numbers import age, clock
from imaxproxy.live.screen.scene import Link, Scene
from imaxproxy.live.screen.view import TABS
from live.samples import DATA, MEASURED, scene, snapshot

SIMULATED, REAL = snapshot(), snapshot(**MEASURED)
EMPTY = snapshot(
    run={}, now={}, in_flight={}, by={}, slowest=[], errors={}, history={}, meter={}, power=None, simulated=False
)
LOST = Link("lost", "no answer from http://127.0.0.1:8080: Connection refused", 12.4)


def text(shown: Scene, width: int = 80, height: int = 24) -> str:
    return "\n".join(line.plain.rstrip() for line in frame(shown, width, height)) + "\n"


@pytest.mark.parametrize(
    ("name", "shown", "width", "height"),
    [
        ("80x24", scene(REAL), 80, 24),
        ("120x40", scene(REAL), 120, 40),
        ("200x60", scene(REAL), 200, 60),
        ("80x24-simulated", scene(SIMULATED), 80, 24),
        ("120x40-simulated", scene(SIMULATED), 120, 40),
        ("80x24-lost", scene(SIMULATED, link=LOST), 80, 24),
        ("80x24-upstreams", scene(REAL, "3"), 80, 24),
        ("80x24-help", scene(REAL, "?"), 80, 24),
        ("60x18", scene(REAL), 60, 18),
        ("empty", scene(EMPTY), 80, 24),
    ],
)
def test_golden(name: str, shown: Scene, width: int, height: int) -> None:
    golden = DATA / f"screen-{name}.txt"
    drawn = text(shown, width, height)
    if os.environ.get("IMAX_REMAKE"):
        golden.write_text(drawn)
    assert drawn == golden.read_text()


@settings(max_examples=60)
@given(
    st.integers(1, 230),
    st.integers(1, 70),
    st.sampled_from([SIMULATED, REAL, EMPTY]),
    st.sampled_from([*TABS, "help"]),
    st.sampled_from([Link("live"), LOST, Link("ended"), Link("live", quiet_s=9)]),
)
def test_any_size_is_filled_exactly(width: int, height: int, shown: object, tab: str, link: Link) -> None:
    assert isinstance(shown, type(REAL))
    keys = ["?"] if tab == "help" else [str((TABS.index(tab) + 1) % 10)]
    lines = frame(scene(shown, *keys, link=link, message="said"), width, height)
    assert [line.cell_len for line in lines] == [width] * height


@pytest.mark.parametrize(("width", "height"), [(30, 6), (40, 10), (60, 18), (80, 24), (120, 40), (200, 60), (20, 3)])
def test_simulated_figures_say_so_at_every_size(width: int, height: int) -> None:
    assert "simulated" in text(scene(SIMULATED), width, height).lower()
    assert "simulated" not in text(scene(REAL), width, height).lower()


@pytest.mark.parametrize(("width", "height"), [(60, 18), (80, 24), (120, 40), (200, 60)])
def test_what_no_longer_comes_is_plain_to_see(width: int, height: int) -> None:
    drawn = text(scene(REAL, link=LOST), width, height)
    assert "12 s old: no answer from http://127.0.0.1:8080" in drawn
    assert "● live" not in drawn
    assert "no answer" not in text(scene(REAL), width, height)
    assert "9 s old: no news comes" in text(scene(REAL, link=Link("live", quiet_s=9)), width, height)


def test_a_meter_that_is_not_valid_is_shouted() -> None:
    bad = replace(REAL, meter=dict(REAL.meter) | {"valid": False, "reasons": ["loop lag p99 is 9 ms"]})
    assert "not to be believed: loop lag p99 is 9 ms" in text(scene(bad))
    assert "NOT VALID" in text(scene(bad))


def test_a_small_terminal_says_what_it_leaves_out() -> None:
    assert "no room: streams, energy (80x24 shows all)" in text(scene(REAL), 60, 20)
    assert "no room" not in text(scene(REAL), 80, 24)


def test_below_the_smallest_one_line_is_left() -> None:
    lines = text(scene(SIMULATED), SMALLEST[0] - 1, 4).splitlines()
    assert lines[0].startswith("SIMULATED")
    assert not any(lines[1:])


def test_a_filter_keeps_rows_that_hold_it() -> None:
    wanted = REAL.streams[0].id
    drawn = text(scene(REAL, "/", *wanted[:12], "enter"))
    assert wanted[:8] in drawn
    assert "1 with" in drawn
    assert REAL.streams[1].id[:8] not in drawn


def test_rows_are_sorted_and_turned_round() -> None:
    def ages(*keys: str) -> list[str]:
        lines = text(scene(REAL, *keys), 80, 24).splitlines()
        return [line[20:34].strip() for line in lines if "●" in line[:4] or "◌" in line[:4]]

    oldest = max(stream.age_s for stream in REAL.streams)
    assert age(oldest) in ages("s")[0]
    assert ages("s")[0] not in ages("s", "r")[0]


def test_a_window_takes_the_place_of_the_run() -> None:
    shown = scene(snapshot(1), "w")
    shown.view.take(snapshot(2))
    drawn = text(replace(shown, snapshot=snapshot(2)))
    lasted = clock(snapshot(2).elapsed_s - snapshot(1).elapsed_s)
    assert f"window: {lasted} still open" in drawn
    assert "win p50" in drawn
    assert "run p50" not in drawn
    shown.view.press("w")
    assert f"window: {lasted} frozen" in text(replace(shown, snapshot=snapshot(2)))


def test_a_message_has_a_line_while_it_is_news() -> None:
    assert "keys read again" in text(scene(REAL, message="imaxproxy: keys read again"))


def test_without_colour_every_word_is_still_there() -> None:
    """NO_COLOR: rich leaves the colours out, and nothing is said by colour alone."""
    lines = frame(scene(SIMULATED, link=LOST), 80, 24)
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=80, legacy_windows=False)
    with console.capture() as captured:
        console.print(Text("\n").join(lines), soft_wrap=True, end="")
    assert "\x1b[38" not in captured.get()
    assert "\x1b[3" not in captured.get().replace("\x1b[3m", "")
    assert Text.from_ansi(captured.get()).plain.rstrip() == "\n".join(line.plain for line in lines).rstrip()


def test_before_the_first_figures_it_says_what_is_missing() -> None:
    drawn = "\n".join(line.plain for line in waiting("http://127.0.0.1:8080", LOST, "starting", 80, 24))
    assert "waiting for the first figures, 0:12" in drawn
    assert "Connection refused" in drawn
    assert "starting" in drawn
    assert len(waiting("", Link(), "", 5, 2)) == 2
