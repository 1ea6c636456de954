import pytest

from imaxproxy.proxy.labels import MOST_TAGS, tags_of


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
