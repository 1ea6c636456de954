"""The live page's files: who gets them, and what they may do."""

from unittest.mock import patch

import pytest
from on_loop import run
from scripted_engine import Call

from imaxproxy.proxy import Admission, Allowance, Asset, KeyRing
from proxy.running import get, proxied

SITE = {"/imax/": Asset(b"<p>page", "text/html; charset=utf-8"), "/imax/page.js": Asset(b"1;", "text/javascript")}
KEYS = ["alice:sk-alice-1"]


async def never(call: Call) -> None:
    raise AssertionError(f"an engine was asked for {call.head!r}")


def keyed(screen_key: str | None = None) -> Admission:
    return Admission(read_keys=lambda: KeyRing(KEYS, "keys", Allowance()), screen_key=screen_key)


def asked(request: bytes, admission: Admission | None = None) -> tuple[bytes, bytes]:
    async def scenario() -> tuple[bytes, bytes]:
        async with proxied(never, admission=admission, site=SITE) as running:
            return await running.ask(request)

    return run(scenario())


def test_the_page_may_ask_nobody_but_this_proxy() -> None:
    head, body = asked(get(b"/imax/"))
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"<p>page"
    assert b"Content-Type: text/html; charset=utf-8" in head
    assert b"default-src 'none'" in head
    assert b"connect-src 'self'" in head
    assert b"frame-ancestors 'none'" in head
    assert asked(get(b"/imax/page.js"))[1] == b"1;"


def test_a_keyed_proxys_page_needs_no_key_and_its_figures_do() -> None:
    assert asked(get(b"/imax/"), keyed())[0].startswith(b"HTTP/1.1 200")
    assert asked(get(b"/imax/page.js"), keyed())[0].startswith(b"HTTP/1.1 200")
    assert asked(get(b"/imax/live?once=1"), keyed())[0].startswith(b"HTTP/1.1 401")


def test_nothing_else_is_open_because_the_page_is() -> None:
    for path in (b"/imax/other.js", b"/imax/page.js/", b"/imax/../v1/models", b"/imax/stats", b"//imax/", b"/imaxes"):
        assert asked(get(path), keyed())[0].startswith(b"HTTP/1.1 401"), path


@pytest.mark.parametrize("admission", [None, keyed()])
def test_who_leaves_out_the_slash_is_led_to_the_page(admission: Admission | None) -> None:
    for path, location in ((b"/imax", b"imax/"), (b"/%69max?window=5&a=b", b"imax/?window=5&a=b")):
        head, body = asked(get(path), admission)
        assert head.startswith(b"HTTP/1.1 308"), path
        assert b"\r\nLocation: " + location + b"\r\n" in head
        assert body == b""


@pytest.mark.parametrize("path", [b"/imax/other.js", b"/imax//", b"/%69max/v1", b"/imax/../v1/models", b"/imax/live/"])
def test_no_engine_hears_of_a_path_under_ours(path: bytes) -> None:
    head, body = asked(get(path))
    assert head.startswith(b"HTTP/1.1 404"), path
    assert b"/imax/stats" in body


def test_without_keys_it_is_for_this_machine_only() -> None:
    with patch("imaxproxy.proxy.own_pages.may_watch", return_value=False):
        head, body = asked(get(b"/imax/"))
    assert head.startswith(b"HTTP/1.1 403")
    assert b"--keys" in body


def test_the_commands_own_screen_sees_the_live_view_and_nothing_else() -> None:
    """503: it is let in, and this proxy has no live view to give."""
    shown = b"Authorization: Bearer own-screen"
    with patch("imaxproxy.proxy.live_feed._ONCE_S", 0.01):
        assert asked(get(b"/imax/live?once=1", shown), keyed("own-screen"))[0].startswith(b"HTTP/1.1 503")
        with patch("imaxproxy.proxy.own_pages.may_watch", return_value=False):
            open_to_all = Admission(screen_key="own-screen")
            assert asked(get(b"/imax/live?once=1", shown), open_to_all)[0].startswith(b"HTTP/1.1 503")
    for path in (b"/imax/stats", b"/v1/models", b"/metrics", b"/imax/live/"):
        assert asked(get(path, shown), keyed("own-screen"))[0].startswith(b"HTTP/1.1 401"), path
    wrong = b"Authorization: Bearer own-screem"
    assert asked(get(b"/imax/live?once=1", wrong), keyed("own-screen"))[0].startswith(b"HTTP/1.1 401")
    assert asked(get(b"/imax/live?once=1", b"Authorization: Bearer "), keyed(""))[0].startswith(b"HTTP/1.1 401")
