"""The pump on real sockets: what a connection is told through it, and that nobody is told what is not theirs."""

import asyncio
import socket
import ssl
import struct
from typing import cast

from on_loop import run, until

from imaxproxy.wire.pump import READ_BYTES, Pump, Tap, tap

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Told:
    """A taker that writes down what it is told."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.ends: list[OSError | None] = []

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)

    def hung_up(self, error: OSError | None) -> None:
        self.ends.append(error)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; the second does not block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    return theirs, ours


def test_a_taker_is_told_of_reads_and_of_the_end() -> None:
    async def scenario() -> None:
        pump, told = Pump(asyncio.get_running_loop()), Told()
        theirs, ours = pair()
        with ours:
            place = Tap(pump, ours.fileno(), told)
            theirs.sendall(b"one")
            await until(lambda: told.reads, "a read")
            theirs.close()
            await until(lambda: told.ends, "the end")
            place.pause_reading()
        assert (told.reads, told.ends[0]) == ([b"one"], None)
        assert repr(pump) == "<Pump of 0 sockets>"

    run(scenario())


def test_a_reset_is_told_as_an_error() -> None:
    async def scenario() -> None:
        pump, told = Pump(asyncio.get_running_loop()), Told()
        theirs, ours = pair()
        with ours:
            place = Tap(pump, ours.fileno(), told)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            theirs.close()
            await until(lambda: told.ends, "the end")
            place.pause_reading()
        assert isinstance(told.ends[0], ConnectionResetError)

    run(scenario())


def test_who_pauses_is_told_nothing_until_it_goes_on() -> None:
    async def scenario() -> None:
        pump, paused, other = Pump(asyncio.get_running_loop()), Told(), Told()
        (theirs, ours), (their_other, our_other) = pair(), pair()
        with ours, theirs, our_other, their_other:
            place = Tap(pump, ours.fileno(), paused)
            other_place = Tap(pump, our_other.fileno(), other)
            place.pause_reading()
            place.pause_reading()  # twice is once
            theirs.sendall(b"kept")
            their_other.sendall(b"told")
            await until(lambda: other.reads, "the other's read")
            assert not paused.reads
            place.resume_reading()
            await until(lambda: paused.reads, "the kept read")
            assert paused.reads == [b"kept"]
            place.pause_reading()
            other_place.pause_reading()

    run(scenario())


def test_a_turn_reads_each_socket_once() -> None:
    """A peer at full speed must not keep another waiting for longer than one read of its own takes."""

    async def scenario() -> None:
        pump, order = Pump(asyncio.get_running_loop()), []

        class Noted(Told):
            def data_received(self, data: bytes) -> None:
                order.append((self, len(data)))

        flood, calm = Noted(), Noted()
        (their_flood, our_flood), (their_calm, our_calm) = pair(), pair()
        with our_flood, their_flood, our_calm, their_calm:
            their_flood.sendall(bytes(3 * READ_BYTES))
            their_calm.sendall(b"calm")
            places = [Tap(pump, our_flood.fileno(), flood), Tap(pump, our_calm.fileno(), calm)]
            await until(lambda: sum(size for _, size in order) == 3 * READ_BYTES + 4, "all reads")
            for place in places:
                place.pause_reading()
        assert max(size for _, size in order) <= READ_BYTES
        assert calm in [who for who, _ in order[:2]]

    run(scenario())


def test_who_is_removed_within_a_turn_is_told_nothing_more() -> None:
    async def scenario() -> None:
        pump = Pump(asyncio.get_running_loop())
        places: list[Tap] = []

        class Ends(Told):
            """The first to be told ends both."""

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                for place in places:
                    place.pause_reading()

        takers = Ends(), Ends()
        (one, our_one), (two, our_two) = pair(), pair()
        with our_one, one, our_two, two:
            one.sendall(b"x")
            two.sendall(b"x")
            places += [Tap(pump, our_one.fileno(), takers[0]), Tap(pump, our_two.fileno(), takers[1])]
            await until(lambda: takers[0].reads or takers[1].reads, "a read")
            await asyncio.sleep(0)
        assert sorted(len(taker.reads) for taker in takers) == [0, 1]

    run(scenario())


def test_tls_keeps_its_own_way() -> None:
    class Encrypted(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return {"socket": object(), "ssl_object": cast(ssl.SSLObject, object())}.get(name, default)

    async def scenario() -> None:
        assert tap(Encrypted(), Told()) is None

    run(scenario())
