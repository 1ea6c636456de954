import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from imaxproxy.proxy.labels import MOST_TAGS, tags_of
from imaxproxy.proxy.shown_keys import holds_key


@pytest.mark.parametrize(
    ("headers", "tags"),
    [
        ([], None),
        ([""], None),
        (["team=search"], {"team": "search"}),
        (["team=search", "app=chat"], {"team": "search", "app": "chat"}),  # repeated
        (["team=search, app=chat,"], {"team": "search", "app": "chat"}),  # as a list
        (["team=a", "team=b"], {"team": "b"}),
        (["release=v1.2.3+4:a/b@c"], {"release": "v1.2.3+4:a/b@c"}),
        (["no value"], {"other": "invalid"}),
        (["team=", "=x", "1st=x", 'q="x"'], {"other": "invalid"}),
        (["team=caf\u00e9"], {"other": "invalid"}),
        (["team=" + 65 * "x"], {"other": "invalid"}),
        ([33 * "x" + "=v"], {"other": "invalid"}),
    ],
)
def test_what_is_a_tag(headers: list[str], tags: dict[str, str] | None) -> None:
    assert tags_of(headers) == tags


def test_a_request_has_so_many_tags_and_the_rest_is_said() -> None:
    tags = tags_of([",".join(f"t{number}=v" for number in range(20))])
    assert tags == {f"t{number}": "v" for number in range(MOST_TAGS)} | {"other": "invalid"}


def test_a_tag_with_a_key_is_no_tag() -> None:
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": "Bearer correct-horse"}))
    said = ["a=correct-horse, b=xcorrect-horsex, c=sk-0123456789abcdef0, d=hf-tokenizers, e=horse"]
    assert tags_of(said, lambda text: holds_key(text, headers)) == {
        "other": "invalid",
        "d": "hf-tokenizers",
        "e": "horse",
    }
