"""An engine's answer over a real socket, in any cut: carried by C or by Python, it comes to the same Exchange."""

import asyncio
import socket
from collections.abc import Sequence
from itertools import pairwise

import pytest
from on_loop import run, until

from imaxproxy.errors import WireError
from imaxproxy.metrics import Exchange
from imaxproxy.wire import Answered, EngineConnection, Onward, Question, ResponseHead, splice
from wire.carried import all_read, tcp_pair
from wire.streams import ASK, FRAMINGS, Recorded, facts, names, receive
from wire.transport import END, FINISH, QUESTION, SSE, TOKEN, chunk

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

    def __init__(self, recorded: Recorded, framing: str, *, relayed: bool = True) -> None:
        """relayed: False: nobody but the meter gets it, as in the player."""
        self.recorded, self.framing, self.relayed = recorded, framing, relayed
        self.engine, self.ours = tcp_pair()
        self.client, self.to_client = tcp_pair()

    async def exchange(self, reads: Sequence[bytes]) -> Exchange:
        """Send the body in these pieces behind its head, each read before the next is sent."""
        return (await self.exchanges([[self.recorded.head(self.framing), *reads]]))[0]

    async def exchanges(
        self, answers: Sequence[Sequence[bytes]], relayed: Sequence[bool] | None = None
    ) -> list[Exchange]:
        """One answer after the other on the one connection, each in pieces. relayed: or not, where they differ."""
        loop = asyncio.get_running_loop()
        client, _ = await loop.create_connection(asyncio.Protocol, sock=self.to_client)
        _, connection = await loop.create_connection(EngineConnection, sock=self.ours)
        connection.use_pump()

        def on_head(head: ResponseHead) -> Onward:
            client.set_write_buffer_limits(high=0)
            return Onward(client)

        self.sent = b""
        found = []
        for pieces, to_client in zip(answers, relayed or [self.relayed] * len(answers), strict=True):
            question = Question(b"q", self.recorded.dialect, on_head=on_head if to_client else None)
            answered = connection.ask(question)
            sending = loop.run_in_executor(None, self._send, pieces)
            found.append(self._exchange(await answered))
            await sending
            if to_client:
                body_bytes = len(b"".join(pieces)) - len(self.recorded.head(self.framing))
                self.sent += await loop.run_in_executor(None, self._received, body_bytes)
        assert connection.reusable is not self._ends_with_the_connection
        connection.abort()
        client.abort()
        return found

    def _exchange(self, answered: Answered) -> Exchange:
        assert answered.reception is not None
        aborted = "client_left" if self.recorded.aborted else None
        return answered.reception.close(ASK, answered.ended_ns, answered.broken, aborted)

    def _send(self, reads: Sequence[bytes]) -> None:
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


def same_for_the_meter_alone(name: str, framing: str, places: Sequence[int]) -> None:
    """As `same_when_cut`, of an answer that C reads from its first byte on: its head is cut too."""
    recorded = Recorded.load(name)
    chunks = recorded.chunks(framing)
    whole, answer = facts(receive(recorded, framing, chunks)), recorded.head(framing) + b"".join(chunks)
    bounds = [len(recorded.head(framing)) + sum(map(len, chunks[:number])) for number in range(len(chunks) + 1)]
    for place in places:
        ends = [0, *sorted({*bounds, place})]
        conversation = Conversation(recorded, framing, relayed=False)
        (exchange,) = run(conversation.exchanges([[answer[a:b] for a, b in pairwise(ends)]]))
        conversation.close()
        assert facts(exchange) == whole, place
        times_ns = list(exchange.timeline.times_ns)
        assert times_ns == sorted(times_ns)


@pytest.mark.parametrize("framing", ["event", "three", "odd", "until_close"])
@pytest.mark.parametrize("name", ONE_OF_EACH_DIALECT)
def test_cut_here_and_there(name: str, framing: str) -> None:
    length = len(Recorded.load(name).bytes(framing))
    same_when_cut(name, framing, range(1, length, max(EVERY, length // 8)))


@pytest.mark.parametrize("framing", ["event", "odd", "until_close", "length"])
@pytest.mark.parametrize("name", ONE_OF_EACH_DIALECT)
def test_cut_here_and_there_with_nobody_but_the_meter(name: str, framing: str) -> None:
    recorded = Recorded.load(name)
    head_bytes, length = len(recorded.head(framing)), len(recorded.head(framing) + recorded.bytes(framing))
    in_head = [1, head_bytes - 4, head_bytes - 1]
    same_for_the_meter_alone(name, framing, [*in_head, *range(head_bytes, length, max(EVERY, length // 6))])


@pytest.mark.parametrize("relayed", [[True] * 3, [False] * 3, [False, True, False], [True, False, True]])
@pytest.mark.parametrize("name", ["vllm-chat-stream-usage", "sglang-completions-stream-contusage"])
def test_each_answer_of_a_connection_is_its_own(name: str, relayed: list[bool]) -> None:
    """What was learned of one, its template and its batches, is nothing to the next."""
    recorded = Recorded.load(name)
    chunks = recorded.chunks("event")
    whole = facts(receive(recorded, "event", chunks))
    in_pieces = [recorded.head("event"), *chunks]
    conversation = Conversation(recorded, "event")
    found = run(conversation.exchanges([in_pieces, [b"".join(in_pieces)], in_pieces], relayed))
    conversation.close()
    assert [facts(exchange) for exchange in found] == [whole] * 3


async def metered(ours: socket.socket) -> EngineConnection:
    _, connection = await asyncio.get_running_loop().create_connection(EngineConnection, sock=ours)
    connection.use_pump()
    return connection


TOKENS = SSE + chunk(TOKEN) * 2


def test_what_has_come_counts_when_we_give_up_before_anyone_has_looked() -> None:
    async def scenario() -> Exchange:
        engine, ours = tcp_pair()
        connection = await metered(ours)
        connection.ask(QUESTION)
        engine.sendall(TOKENS)
        if splice.hot_path() == "c":
            all_read(ours)  # C has it, and the loop had no turn
        else:
            await until(lambda: connection.last_read_ns is not None, "the loop to read")
        answered = connection.give_up(WireError("timeout", "too long"))
        engine.close()
        assert answered.reception is not None
        return answered.reception.close(ASK, answered.ended_ns, answered.broken)

    exchange = run(scenario())
    assert (exchange.outcome, exchange.error, len(exchange.timeline)) == ("truncated", "timeout", 2)


@pytest.mark.parametrize("answer", [b"", TOKENS + chunk(FINISH) + END])
def test_an_idle_connection_that_the_engine_closes_is_dropped(answer: bytes) -> None:
    async def scenario() -> None:
        engine, ours = tcp_pair()
        connection = await metered(ours)
        if answer:
            answered = connection.ask(QUESTION)
            engine.sendall(answer)
            assert (await answered).broken is None
        assert connection.reusable
        engine.close()
        await until(lambda: connection.closed, "the connection to be dropped")

    run(scenario())


def test_bytes_behind_an_answer_that_nobody_asked_for_end_the_connection() -> None:
    async def scenario() -> None:
        engine, ours = tcp_pair()
        connection = await metered(ours)
        answered = connection.ask(QUESTION)
        engine.sendall(TOKENS + chunk(FINISH) + END)
        assert (await answered).broken is None
        engine.sendall(SSE)
        await until(lambda: connection.closed, "the connection to be dropped")
        engine.close()

    run(scenario())


@pytest.mark.parametrize("came", [b"", SSE[:20], TOKENS])
def test_an_end_in_mid_answer_is_known_for_what_it_is(came: bytes) -> None:
    async def scenario() -> Answered:
        engine, ours = tcp_pair()
        connection = await metered(ours)
        answered = connection.ask(QUESTION)
        engine.sendall(came)
        await asyncio.get_running_loop().run_in_executor(None, all_read, ours)
        engine.recv(1 << 10)  # a question left unread would make the close a reset
        engine.close()
        return await answered

    answered = run(scenario())
    assert answered.broken is not None
    assert answered.broken.kind == ("cut" if came == TOKENS else "no_response")
    assert answered.silent is (came == b"")


@pytest.mark.slow
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", STREAMS)
def test_every_recording_cut_at_every_byte_with_nobody_but_the_meter(name: str, framing: str) -> None:
    recorded = Recorded.load(name)
    if recorded.aborted and framing in ("until_close", "length"):
        pytest.skip("cut off by us: no length was known, and its end is no end")
    same_for_the_meter_alone(name, framing, range(1, len(recorded.head(framing) + recorded.bytes(framing))))


@pytest.mark.slow
@pytest.mark.parametrize("framing", [framing for framing in FRAMINGS if framing != "length"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_recording_cut_at_every_byte(name: str, framing: str) -> None:
    same_when_cut(name, framing, range(1, len(Recorded.load(name).bytes(framing))))
