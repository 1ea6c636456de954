import builtins
import socket
import sys
from typing import Any

import pytest

from imaxproxy.cluster.connection import _in_a_line, check_address, import_ray
from imaxproxy.errors import UsageError


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://head:10001", "that is Ray Client"),
        ("head", "give auto, or the head's HOST:PORT"),
        ("head:", "give auto"),
        (":6379", "give auto"),
        ("head:0", "give auto"),
        ("head:70000", "give auto"),
        ("", "give auto"),
    ],
)
def test_what_names_no_head(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_address(address)


@pytest.mark.parametrize("address", ["auto", "10.0.0.1:6379", "[::1]:6379"])
def test_what_does(address: str) -> None:
    check_address(address)


def test_a_head_that_nobody_is_at_is_said_at_once() -> None:
    from imaxproxy.cluster.connection import _check_reachable

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with pytest.raises(UsageError, match="nobody listens there"):
            _check_reachable(f"127.0.0.1:{taken.getsockname()[1]}")


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        if name == "ray":
            raise ImportError
        return real(name, *args, **more)

    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'imaxproxy\[ray\]'"):
        import_ray()


def test_rays_own_complaint_becomes_a_line() -> None:
    text = (
        "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.10.1\n"
        "This process on node 10.0.0.2 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    assert _in_a_line(text) == (
        "the cluster runs Ray 2.9.0 on Python 3.10.1, and this is Ray 2.60.0 on Python 3.11.7: "
        "use the same on all nodes"
    )
    assert _in_a_line("some\n other  thing") == "some other thing"
