import pytest
from on_loop import run
from scripted_engine import Call, ScriptedEngine, page

from imaxproxy.errors import WireError
from imaxproxy.proxy.upstream_health import HealthRules, Standing, check
from imaxproxy.wire import BaseUrl, Pool


def test_so_many_failures_in_a_row_eject_and_so_many_good_checks_bring_back() -> None:
    told: list[str] = []
    standing = Standing("a", HealthRules(fall=3, rise=2), told.append)
    for _ in range(2):
        standing.failed("refused")
    standing.answered()
    for _ in range(2):
        standing.failed("refused")
    assert standing.up
    for _ in range(3):  # told of once
        standing.failed("connect_refused: cannot connect")
    assert not standing.up
    standing.answered()  # a call that was let through while none was up: no check
    standing.passed()
    standing.failed("refused")
    standing.passed()
    assert not standing.up
    standing.passed()
    assert standing.up
    assert told == [
        "imaxproxy: upstream a ejected after 3 failures: connect_refused: cannot connect",
        "imaxproxy: upstream a is back",
    ]
    assert (standing.ejections, standing.last_error) == (1, "refused")


async def checked(pool: Pool) -> frozenset[str] | str | None:
    """What it serves, or the name of what is wrong with it."""
    try:
        return await check(pool, "/health", (b"X-Key: k",))
    except WireError as error:
        return error.kind


LIST = page(200, b'{"data":[{"id":"m"}]}')


@pytest.mark.parametrize(
    ("health", "models", "found"),
    [
        (page(200, b""), LIST, frozenset({"m"})),
        (page(404, b"{}"), LIST, frozenset({"m"})),
        (page(200, b""), page(404, b"{}"), None),
        (page(200, b""), page(401, b"{}"), None),  # it is up, and does not know us
        (page(200, b""), page(200, b"<html>"), None),
        (page(503, b""), LIST, "http_503"),
        (page(404, b""), page(500, b""), "http_500"),
        (page(200, b"")[:-3], LIST, "no_response"),
    ],
)
def test_what_an_engine_says_of_itself(health: bytes, models: bytes, found: frozenset[str] | str | None) -> None:
    async def script(call: Call) -> None:
        await call.send(models if b"/v1/models" in call.request.line else health)
        if not health.endswith(b"\r\n\r\n") and b"/v1/models" not in call.request.line and found == "no_response":
            call.close()

    async def scenario() -> None:
        async with ScriptedEngine(script) as engine:
            pool = Pool(BaseUrl.parse(f"{engine.url}/base", "--upstream"))
            assert await checked(pool) == found
            assert engine.requests[0].line == b"GET /base/health HTTP/1.1"
            assert engine.requests[0].header(b"x-key") == b"k"
            assert repr(pool).endswith("0 busy, 0 idle>")
            pool.close()

    run(scenario())
