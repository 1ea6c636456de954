import pytest

from imaxproxy.proxy.models import merged, models_in


def entry(name: str, owner: str = "vllm") -> dict[str, str]:
    return {"id": name, "object": "model", "owned_by": owner}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"object":"list","data":[{"id":"m"},{"id":"n"}]}', ["m", "n"]),
        (b'{"data":[{"id":1},{},"m",{"id":"n"}]}', ["n"]),
        (b'{"data":{}}', []),
        (b"[]", []),
        (b"<html>", []),
        (b"", []),
    ],
)
def test_names_in_an_engines_list(body: bytes, names: list[str]) -> None:
    assert [found["id"] for found in models_in(body)] == names


def test_each_name_once_as_the_first_engine_describes_it() -> None:
    page = merged([([entry("m", "a"), entry("n")], []), ([entry("m", "b"), entry("o")], [])])
    assert page == {"object": "list", "data": [entry("m", "a"), entry("n"), entry("o")]}


def test_public_names_are_described_by_the_engines_model() -> None:
    page = merged([([entry("m", "a")], [("gpt", "m"), ("unlisted", "x")])])
    assert page["data"] == [
        entry("gpt", "a"),
        {"id": "unlisted", "object": "model", "owned_by": "imaxproxy"},
        entry("m", "a"),
    ]
