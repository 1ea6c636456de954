"""The interface that has an address, by this machine's own kernel."""

from imaxproxy.launch.interface import interface_of, part_env


def test_the_interface_of_an_address() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("localhost") == "lo"
    assert interface_of("203.0.113.7") is None  # nobody's: RFC 5737
    assert interface_of("no such host") is None


def test_what_the_machine_says_already_is_not_said() -> None:
    assert part_env("127.0.0.1", {}) == {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    assert part_env("127.0.0.1", {"NCCL_SOCKET_IFNAME": "^docker"}) == {"GLOO_SOCKET_IFNAME": "lo"}
    assert part_env("203.0.113.7", {}) == {}
