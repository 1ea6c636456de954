import json
from collections import Counter
from dataclasses import dataclass

import pytest

from imaxproxy.proxy.routing import (
    BUSIER_BY,
    PREFIX_BLOCK_BYTES,
    PREFIX_BLOCKS,
    Asked,
    ByPrefix,
    BySession,
    LeastOutstanding,
    RoundRobin,
    prompt_blocks,
    session_of,
)


@dataclass
class Backend:
    name: str
    outstanding: int = 0


NOTHING = Asked(None, b"{}")


def three() -> list[Backend]:
    return [Backend("a"), Backend("b"), Backend("c")]


def prompt(*texts: str) -> Asked:
    return Asked(None, json.dumps({"messages": [{"role": "user", "content": text} for text in texts]}).encode())


def test_round_robin_takes_each_in_turn() -> None:
    route, backends = RoundRobin(), three()
    assert [route.choose(backends, NOTHING).name for _ in range(7)] == [*"abcabca"]


def test_the_least_outstanding_in_turn_among_equals() -> None:
    route, (a, b, c) = LeastOutstanding(), three()
    a.outstanding = 1
    assert [route.choose([a, b, c], NOTHING).name for _ in range(4)] == [*"bcbc"]
    b.outstanding = c.outstanding = 2
    assert route.choose([a, b, c], NOTHING) is a


def test_a_session_stays_where_it_is_and_only_an_ejected_upstreams_sessions_move() -> None:
    route, backends = BySession(), three()
    sessions = [Asked(f"s{number}", b"") for number in range(300)]
    before = [route.choose(backends, session).name for session in sessions]
    assert [route.choose(backends, session).name for session in sessions] == before
    assert min(Counter(before).values()) > 70  # of 300 over three
    after = [route.choose(backends[1:], session).name for session in sessions]
    assert [name for name in before if name != "a"] == [
        new for old, new in zip(before, after, strict=True) if old != "a"
    ]
    moved = Counter(new for old, new in zip(before, after, strict=True) if old == "a")
    assert set(moved) == {"b", "c"}  # its sessions are shared out


def test_no_session_goes_to_the_least_busy() -> None:
    backends = three()
    backends[0].outstanding = backends[2].outstanding = 3
    assert BySession().choose(backends, NOTHING).name == "b"


@pytest.mark.parametrize(
    ("header", "body", "session"),
    [
        ("h", b'{"user":"u"}', b"h"),
        (None, b'{"user":"u"}', b"u"),
        (None, b'{"user":"u","prompt_cache_key":"k"}', b"k"),
        (None, b'{"user":"u","prompt_cache_key":"k","session_id":17}', b"17"),
        (None, b'{"user":null,"session_id":"","prompt_cache_key":{}}', None),
        (None, b'{"messages":[{"user":"inner"}]}', None),
        (None, b"not json", None),
        ("", b"", None),
    ],
)
def test_what_names_a_session(header: str | None, body: bytes, session: bytes | None) -> None:
    assert session_of(Asked(header, body)) == session


def test_a_prompt_goes_where_its_beginning_was() -> None:
    route, backends = ByPrefix(), three()
    first = [route.choose(backends, prompt(f"{number} " * 2000)).name for number in range(6)]
    again = [route.choose(backends, prompt(f"{number} " * 2000, "and a turn more")).name for number in range(6)]
    assert first == again
    assert set(first) == {"a", "b", "c"}


def test_a_beginning_that_all_share_is_no_reason() -> None:
    """A short system prompt before different long texts: less than half of the prompt was seen."""
    route, backends = ByPrefix(), three()
    system = "You are helpful. " * 60
    chosen = Counter(route.choose(backends, prompt(system, f"{number} " * 3000)).name for number in range(30))
    assert chosen == {"a": 10, "b": 10, "c": 10}


def test_a_favourite_that_is_much_busier_is_passed_over_and_replaced() -> None:
    route, backends = ByPrefix(), three()
    asked = prompt("x" * 5000)
    favourite = route.choose(backends, asked)
    favourite.outstanding = BUSIER_BY
    assert route.choose(backends, asked) is favourite
    favourite.outstanding = BUSIER_BY + 1
    other = route.choose(backends, asked)
    assert other is not favourite
    favourite.outstanding = 0
    assert route.choose(backends, asked) is other  # it has the prompt now


def test_an_ejected_favourite_is_none() -> None:
    route, backends = ByPrefix(), three()
    asked = prompt("x" * 5000)
    favourite = route.choose(backends, asked)
    backends.remove(favourite)
    assert route.choose(backends, asked) is not favourite


def test_memory_is_bounded_and_the_oldest_is_forgotten() -> None:
    route, backends = ByPrefix(entries=100), three()
    for number in range(50):
        route.choose(backends, prompt(f"{number} " * 2000))
    assert len(route._seen_by) == 100


def test_blocks_are_of_beginnings() -> None:
    body = prompt("x" * 100_000).body
    blocks = prompt_blocks(body)
    assert len(blocks) == PREFIX_BLOCKS == len(set(blocks))
    assert prompt_blocks(b'{"input":"' + b"a" * (PREFIX_BLOCK_BYTES - 2) + b'"}') != []
    assert prompt_blocks(b'{"prompt":"short"}') == prompt_blocks(b"{}") == prompt_blocks(b"no json") == []
    longer = prompt_blocks(prompt("x" * 1000, "y" * 1000).body)
    assert longer[:1] == blocks[:1]
