"""An engine's answer over a real socket, in any cut: carried by C or by Python, it comes to the same Exchange."""

import asyncio
import socket
from collections.abc import Sequence
from itertools import pairwise

import pytest
from on_loop import run

from imaxproxy.metrics import Exchange
from imaxproxy.wire import EngineConnection, Onward, Question, ResponseHead
from wire.carried import all_read, tcp_pair
from wire.streams import ASK, FRAMINGS, Recorded, facts, names, receive

pytestmark = pytest.mark.usefixtures("hot_path")

STREAMS = [name for name in names() if Recorded.load(name).streamed]
ONE_OF_EACH_DIALECT = [
    "vllm-chat-stream-usage",
    "sglang-completions-stream-contusage",
    "vllm-responses-stream",
    "sglang-messages-stream",
]
EVERY = 89
"""Bytes between the cuts of the quick suite; no multiple of an event's length."""


class Conversation:
    """An engine's end of a connection, and a client's end that gets what it sends."""

    def __init__(self, recorded: Recorded, framing: str) -> None:
        self.recorded, self.framing = recorded, framing
        self.engine, self.ours = tcp_pair()
        self.client, self.to_client = tcp_pair()

    async def exchange(self, reads: Sequence[bytes]) -> Exchange:
        """Send the answer in these pieces, each read before the next is sent."""
        loop = asyncio.get_running_loop()
        client, _ = await loop.create_connection(asyncio.Protocol, sock=self.to_client)
        _, connection = await loop.create_connection(EngineConnection, sock=self.ours)
        connection.use_pump()

        def on_head(head: ResponseHead) -> Onward:
            client.set_write_buffer_limits(high=0)
            return Onward(client)

        answered = connection.ask(Question(b"q", self.recorded.dialect, on_head=on_head))
        sending = loop.run_in_executor(None, self._send, [self.recorded.head(self.framing), *reads])
        found = await answered
        await sending
        assert found.reception is not None
        self.sent = await loop.run_in_executor(None, self._received, sum(map(len, reads)))
        connection.abort()
        client.abort()
        aborted = "client_left" if self.recorded.aborted else None
        return found.reception.close(ASK, found.ended_ns, found.broken, aborted)

    def _send(self, reads: list[bytes]) -> None:
        for data in reads:
            self.engine.sendall(data)
            all_read(self.ours)
        self.engine.shutdown(socket.SHUT_WR) if self._ends_with_the_connection else None

    @property
    def _ends_with_the_connection(self) -> bool:
        return self.recorded.aborted or self.framing == "until_close"

    def _received(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.client.recv(1 << 20)
        return data

    def close(self) -> None:
        for each in self.engine, self.client:
            each.close()


def same_when_cut(name: str, framing: str, places: Sequence[int]) -> None:
    """Cut at each of these places in turn: facts as of the whole, each byte at the client, stamps in order."""
    recorded = Recorded.load(name)
    chunks = recorded.chunks(framing)
    whole, body = facts(receive(recorded, framing, chunks)), b"".join(chunks)
    bounds = [sum(map(len, chunks[:number])) for number in range(len(chunks) + 1)]
    for place in places:
        ends = sorted({*bounds, place})
        conversation = Conversation(recorded, framing)
        exchange = run(conversation.exchange([body[a:b] for a, b in pairwise(ends)]))
        conversation.close()
        assert conversation.sent == body, place
        assert facts(exchange) == whole, place
        times_ns = list(exchange.timeline.times_ns)
        assert times_ns == sorted(times_ns)


@pytest.mark.parametrize("framing", ["event", "three", "odd", "until_close"])
@pytest.mark.parametrize("name", ONE_OF_EACH_DIALECT)
def test_cut_here_and_there(name: str, framing: str) -> None:
    length = len(Recorded.load(name).bytes(framing))
    same_when_cut(name, framing, range(1, length, max(EVERY, length // 8)))


@pytest.mark.slow
@pytest.mark.parametrize("framing", [framing for framing in FRAMINGS if framing != "length"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_recording_cut_at_every_byte(name: str, framing: str) -> None:
    same_when_cut(name, framing, range(1, len(Recorded.load(name).bytes(framing))))
