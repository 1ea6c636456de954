import socket
import threading

from imaxproxy.cluster.head import Head, reachable


def test_a_head_that_listens_no_more_is_lost() -> None:
    heard, lost = threading.Event(), list[str]()

    def hear(address: str) -> None:
        lost.append(address)
        heard.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        head = Head(f"127.0.0.1:{server.getsockname()[1]}", hear, every_s=0.01)
        with head.watched():
            server.accept()[0].close()
            assert not head.is_lost
            server.close()
            assert heard.wait(10)
    assert (head.is_lost, lost) == (True, [head.address])


def test_whoever_listens_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert reachable(address) is None
    assert isinstance(reachable(address), OSError)
