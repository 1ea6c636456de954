"""What one frame is drawn from."""

from dataclasses import dataclass, field

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.view import View
from imaxproxy.live.snapshot import Figures, Snapshot

SILENT_AFTER_S = 3.0
"""A feed ticks every second: after so long without news the screen says so."""


@dataclass(frozen=True, slots=True)
class Link:
    """How it stands with the feed."""

    state: str = "connecting"
    """connecting, live, lost (it is tried again) or ended (it is not)."""
    detail: str = ""
    """Why there is no feed."""
    quiet_s: float = 0.0
    """Since the last snapshot, or since the first try."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A snapshot, what the person chose, and how fresh it all is."""

    snapshot: Snapshot
    view: View
    link: Link = field(default_factory=Link)
    message: str = ""
    """The last line that the command had to say; empty when it is old."""
    leave_word: str = "quit"
    """What q does."""

    @property
    def is_stale(self) -> bool:
        return self.link.state != "live" or self.link.quiet_s > SILENT_AFTER_S

    @property
    def span(self) -> Figures:
        """Of the whole run, or of the frozen window."""
        window = self.view.window
        return self.snapshot.run if window is None else window.figures(self.snapshot)

    @property
    def border(self) -> str:
        """Frames are violet where figures are simulated: no part of the screen can be taken for a measurement."""
        return "color(133)" if self.snapshot.simulated else theme.BORDER


def figure_style(scene: Scene) -> str:
    """Of figures that are no longer true: not bold."""
    return theme.LABEL if scene.is_stale else theme.FIGURE
