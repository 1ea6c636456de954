"""The interface of panels, and their frames."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.box import framed
from imaxproxy.live.screen.scene import Scene


@dataclass(frozen=True, slots=True)
class Content:
    """What stands inside a frame."""

    title: str
    lines: list[Text]
    note: Text = field(default_factory=Text)
    """At the right end of the upper edge."""


Draw = Callable[[Scene, int, int], Content]
"""Draws into so many columns and rows, the frame not counted."""


def panel(draw: Draw, scene: Scene, width: int, height: int, *, marked: bool = False) -> list[Text]:
    """The panel in its frame, exactly `width` by `height` cells.  marked: its figures are simulated if any are."""
    content = draw(scene, width - 4, height - 2)
    title = Text(content.title, style=theme.TITLE)
    if marked and scene.snapshot.simulated:
        title.append(" simulated", style="color(133)")
    return framed(title, content.note, content.lines, width, height, scene.border)
