"""The keys that engines are shown."""

from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.proxy import Credentials, key_in_environment, key_in_file
from imaxproxy.wire import BaseUrl

ONE, TWO, OTHER = BaseUrl("one", 80), BaseUrl("two", 80), BaseUrl("other", 80)


def said(*keys: str) -> list:  # type: ignore[type-arg]
    return [lambda key=key: key for key in keys]


def test_one_key_is_for_all_and_several_are_for_each() -> None:
    all_alike, each = Credentials(said("k"), [ONE, TWO]), Credentials(said("k1", "k2"), [ONE, TWO])
    assert all_alike.of(ONE) == all_alike.of(TWO) == b"Authorization: Bearer k"
    assert [each.of(url) for url in (ONE, TWO, OTHER)] == [
        b"Authorization: Bearer k1",
        b"Authorization: Bearer k2",
        None,  # a stranger is shown no key
    ]
    assert Credentials().of(ONE) is None
    assert "k1" not in repr(each)


def test_other_numbers_are_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="2 upstream keys for 1 upstreams: give one for all, or one for each"):
        Credentials(said("k1", "k2"), [ONE])


def test_they_are_read_again_when_told(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old\n")
    credentials = Credentials([key_in_file(path, "--upstream-key-file")], [ONE])
    path.write_text("new\n")
    assert credentials.of(ONE) == b"Authorization: Bearer old"
    credentials.reload()
    assert credentials.of(ONE) == b"Authorization: Bearer new"
    path.unlink()
    with pytest.raises(UsageError, match="--upstream-key-file cannot be read: No such file"):
        credentials.reload()
    assert credentials.of(ONE) == b"Authorization: Bearer new"


@pytest.mark.parametrize("value", ["", " ", "two words", "caf\xe9", "a\nb", "a\x00"])
def test_what_no_header_can_hold_is_refused_and_not_shown(value: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(value)
    for read in (
        key_in_file(tmp_path / "key", "the file"),
        key_in_environment({"KEY": value}, "KEY", "the variable"),
    ):
        with pytest.raises(UsageError, match=r"the (file|variable): the key is empty, or holds what no header can$"):
            read()


def test_a_variable_that_is_not_set() -> None:
    with pytest.raises(UsageError, match="names a variable that is not set"):
        key_in_environment({}, "KEY", "--upstream-key-env KEY")()
