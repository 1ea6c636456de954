import pytest

from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl


@pytest.mark.parametrize(
    ("text", "expected", "authority"),
    [
        ("http://127.0.0.1:8000/v1", BaseUrl("127.0.0.1", 8000), "127.0.0.1:8000"),
        ("http://127.0.0.1:8000", BaseUrl("127.0.0.1", 8000), "127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1/", BaseUrl("127.0.0.1", 8000), "127.0.0.1:8000"),
        ("http://engine", BaseUrl("engine", 80), "engine"),
        ("https://engine/api/v1", BaseUrl("engine", 443, "/api", tls=True), "engine"),
        ("https://engine:8443/api/", BaseUrl("engine", 8443, "/api", tls=True), "engine:8443"),
        ("http://[::1]:80/v1", BaseUrl("::1", 80), "[::1]"),
        ("http://engine/v10", BaseUrl("engine", 80, "/v10"), "engine"),
    ],
)
def test_with_or_without_v1_it_is_the_same_engine(text: str, expected: BaseUrl, authority: str) -> None:
    url = BaseUrl.parse(text, "--url")
    assert url == expected
    assert url.authority == authority
    assert BaseUrl.parse(str(url), "--url") == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:8000",
        "ftp://engine/",
        "http://",
        "http://engine:99999",
        "http://engine:x",
        "http://user:secret@engine/",
        "http://:secret@engine/",
        "http://engine/v1?key=1",
        "http://engine/#x",
        "http://[::1",
    ],
)
def test_anything_else_is_a_usage_error_that_names_the_flag(text: str) -> None:
    with pytest.raises(UsageError, match="--upstream"):
        BaseUrl.parse(text, "--upstream")


def test_tls_is_checked() -> None:
    context = BaseUrl.parse("https://engine/", "--url").ssl_context
    assert context is not None
    assert context.check_hostname
    assert BaseUrl.parse("http://engine/", "--url").ssl_context is None
