"""A worker's side of the supervised proxy: its board, and what it is told to do."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from itertools import count

from imaxproxy.errors import WireError
from imaxproxy.metrics import Exchange, HealthSample, LiveMeter, Objective, Totals
from imaxproxy.proxy.board import ReadGauges
from imaxproxy.proxy.channel import Channel
from imaxproxy.proxy.figures import Part
from imaxproxy.proxy.merged import Gauges
from imaxproxy.proxy.proxy import Proxy
from imaxproxy.proxy.views import Views

TELL_EVERY_S = 1.0
PAGE_TIMEOUT_S = 2.0


class WorkerBoard:
    """A board that keeps what ended only until it has told the supervisor, who has the pages.

    A kill loses nothing from the figures: the supervisor reads on in the journal where the last telling ended.
    """

    def __init__(
        self,
        channel: Channel,
        journal_bytes: Callable[[], int],
        lost_lines: Callable[[], int],
        objectives: tuple[Objective, ...] = (),
    ) -> None:
        self.objectives = objectives
        self.orders: asyncio.Queue[tuple[str, float | None]] = asyncio.Queue()
        """What the supervisor wants: `retire`, `drain` within s, `drop`."""
        self._channel, self._journal_bytes, self._lost_lines = channel, journal_bytes, lost_lines
        self._totals = Totals(objectives)
        self._gauges: ReadGauges = Gauges
        self._refused: Counter[str] = Counter()
        self._pages: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = count()
        self._meter: LiveMeter | None = None
        self._looking: asyncio.Task[None] | None = None
        self.views = Views(lambda: channel.send("watch", True), lambda: channel.send("watch", False))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._on_readable)
        self._loop.add_signal_handler(signal.SIGTERM, self.leave)
        self._timer = self._loop.call_later(TELL_EVERY_S, self._tell_often)

    def watch(self, gauges: ReadGauges, refused: Counter[str], meter: LiveMeter) -> None:
        self._gauges, self._refused, self._meter = gauges, refused, meter

    def add(self, exchange: Exchange) -> None:
        self._totals.add(exchange)

    def merge(self, totals: Totals) -> None:
        self._totals.merge(totals)

    def add_health(self, sample: HealthSample) -> None:
        self._totals.add_health(sample)

    async def page(self, name: str) -> bytes:
        """The whole proxy's, from the supervisor. Raises WireError when that does not answer."""
        number = next(self._numbers)
        self._pages[number] = future = self._loop.create_future()
        self.tell()
        self._channel.send("page", (number, name))
        try:
            async with asyncio.timeout(PAGE_TIMEOUT_S):
                page: bytes = await future
        except TimeoutError as error:
            detail = f"the supervisor did not answer within {PAGE_TIMEOUT_S:g} s"
            raise WireError("no_figures", detail) from error
        finally:
            del self._pages[number]
        return page

    def ready(self) -> None:
        """Clients are let in."""
        self._channel.send("ready")

    def leave(self) -> None:
        """This one worker was told to go: another one takes its place while its streams end."""
        self._channel.send("leaving")
        self.orders.put_nowait(("retire", None))

    def tell(self) -> None:
        """Hand over what ended since the last time. While the supervisor does not read, it is kept here instead."""
        if self._channel.backlog:
            self._channel.flush()
        if not self._channel.backlog:
            totals, self._totals = self._totals, Totals(self.objectives)
            totals.take_refused(self._refused)
            self._channel.send("figures", Part(totals, self._gauges(), self._lost_lines(), self._journal_bytes()))

    def close(self, *, dropped: bool) -> None:
        """Tell the rest, and whether streams were dropped."""
        self._timer.cancel()
        self._look_no_more()
        self._loop.remove_reader(self._channel.fileno())
        self.tell()
        if dropped:
            self._channel.send("dropped")

    def _tell_often(self) -> None:
        self.tell()
        self._timer = self._loop.call_later(TELL_EVERY_S, self._tell_often)

    def _on_readable(self) -> None:
        try:
            messages = self._channel.receive()
        except EOFError:  # the supervisor was killed: nobody is left to serve for
            self._loop.remove_reader(self._channel.fileno())
            self.orders.put_nowait(("drain", None))
            return
        for kind, value in messages:
            if kind == "tell":
                self.tell()
            elif kind == "look":
                self._look()
            elif kind == "look no more":
                self._look_no_more()
            elif kind == "live":
                self.views.publish(value)
            elif kind == "page":
                number, page = value
                if number in self._pages and not self._pages[number].done():
                    self._pages[number].set_result(page)
            else:
                self.orders.put_nowait((kind, value))

    def _look(self) -> None:
        if self._meter is not None and (self._looking is None or self._looking.done()):
            self._looking = self._loop.create_task(self._tell_part(self._meter))

    async def _tell_part(self, meter: LiveMeter) -> None:
        """What is seen while the supervisor does not read stays for the next time."""
        for _ in meter.steps():
            await asyncio.sleep(0)
        if not self._channel.backlog:
            self.tell()
            self._channel.send("part", meter.take())

    def _look_no_more(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        if self._meter is not None:
            self._meter.stop()


async def obey(proxy: Proxy, board: WorkerBoard, drain_timeout_s: float) -> bool:
    """Serve until told otherwise, and end as told. True when all streams ended."""
    going: asyncio.Task[bool] | None = None
    order = asyncio.ensure_future(board.orders.get())
    while True:
        await asyncio.wait([order] if going is None else [order, going], return_when=asyncio.FIRST_COMPLETED)
        if going is not None and going.done():
            order.cancel()
            return going.result()
        kind, timeout_s = order.result()
        order = asyncio.ensure_future(board.orders.get())
        if kind == "retire" and going is not None:
            continue
        if going is not None:
            going.cancel()
        if kind == "drop":
            order.cancel()
            return False
        going = asyncio.ensure_future(_retire(proxy) if kind == "retire" else proxy.drain(timeout_s or drain_timeout_s))


async def _retire(proxy: Proxy) -> bool:
    await proxy.retire()
    return True
