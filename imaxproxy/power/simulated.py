"""The boards of a simulated engine, as its page `/imax/power` tells them. Marked simulated, always."""

from collections.abc import Container

import orjson

from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.sample import Device, PowerLine, PowerSample, line_of
from imaxproxy.power.scrape import Page
from imaxproxy.power.source import SourceError, SourceLostError


class SimulatedSource:
    """Asks a simulated engine of this host: its times are this host's clock. Its counters are exact at each read."""

    name = "sim"
    tick_ms = 100.0
    settle_s = 0.0

    def __init__(self, url: str) -> None:
        """Raises SourceError when no simulated engine with boards answers there."""
        self._page = Page(url, "/imax/power")
        try:
            lines = self._lines()
        except (OSError, ImaxproxyError) as error:
            self.close()
            raise SourceError(f"no power of a simulated engine at {self._page.url}: {error}") from error
        if not any(isinstance(line, Device) for line in lines):
            self.close()
            raise SourceError(f"the simulated engine at {self._page.url} models no boards: its recipe has no GPU")

    def devices(self) -> list[Device]:
        """The boards that are modelled."""
        return [line for line in self._now() if isinstance(line, Device)]

    def sample(self, counters: Container[str] | None = None) -> list[PowerSample]:
        """Each board up to now."""
        return [line for line in self._now() if isinstance(line, PowerSample)]

    def processes(self) -> dict[str, list[int]]:
        """It does not tell."""
        return {}

    def close(self) -> None:
        """Close the connection."""
        self._page.close()

    def _now(self) -> list[PowerLine]:
        try:
            return self._lines()
        except (OSError, ImaxproxyError) as error:
            raise SourceLostError(str(error)) from error

    def _lines(self) -> list[PowerLine]:
        try:
            page = orjson.loads(self._page.get())
            return [line_of(row) for row in page["lines"]]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ImaxproxyError(f"not the page of a simulated engine ({error})") from error
