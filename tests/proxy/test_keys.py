"""The keys that clients may show."""

import hashlib
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from imaxproxy.errors import UsageError
from imaxproxy.proxy import Allowance, KeyRing, Rate, read_keys

FILE = """
# name:key, then limits
alice:sk-alice
bob:sk-bob  in_flight=2 rate=600/min

sk-nobodys
"""
DEFAULT = Allowance(in_flight=8)


def ring(text: str = FILE) -> KeyRing:
    return KeyRing(text.splitlines(), "--keys k", DEFAULT)


def name_of(keys: KeyRing, **headers: str) -> str | None:
    request = make_mocked_request(
        "GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    account = keys.account_of(request)
    return account and account.name


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"Authorization": "Bearer sk-alice"}, "alice"),
        ({"authorization": "bearer   sk-alice "}, "alice"),
        ({"X_Api_Key": "sk-bob"}, "bob"),
        ({"Authorization": "Bearer sk-nobodys"}, "key-3"),
        # whichever is known counts: a client that has a key for something else too
        ({"Authorization": "Bearer other", "X_Api_Key": "sk-bob"}, "bob"),
        ({}, None),
        ({"Authorization": "Bearer sk-alic"}, None),
        ({"Authorization": "Bearer sk-alicee"}, None),
        ({"Authorization": "Bearer SK-ALICE"}, None),
        ({"Authorization": "Bearer alice:sk-alice"}, None),
        ({"Authorization": "Bearer alice"}, None),
        ({"Authorization": "Bearer "}, None),
        ({"Authorization": "Bearer"}, None),
        ({"Authorization": "sk-alice"}, None),
        ({"Authorization": "Basic sk-alice"}, None),
        ({"X_Api_Key": "Bearer sk-alice"}, None),
        ({"X_Api_Key": ""}, None),
        ({"Api_Key": "sk-alice"}, None),
        # the hash of a key is no key
        ({"X_Api_Key": hashlib.sha256(b"sk-alice").hexdigest()}, None),
    ],
)
def test_who_shows_what(headers: dict[str, str], name: str | None) -> None:
    assert name_of(ring(), **headers) == name


def test_a_key_may_stand_as_its_hash() -> None:
    digest = hashlib.sha256(b"sk-secret").hexdigest()
    for line in (f"carol:sha256:{digest}", f"sha256:{digest}"):
        assert name_of(ring(line), X_Api_Key="sk-secret") in ("carol", "key-1")
        assert name_of(ring(line), X_Api_Key=f"sha256:{digest}") is None


def test_limits_stand_behind_a_key_or_are_the_default() -> None:
    allowances = {account.name: account.allowance for account in ring().accounts}
    assert allowances["alice"] == DEFAULT
    assert allowances["bob"] == Allowance(2, Rate(600, 60))


def test_it_shows_and_holds_no_key() -> None:
    keys = ring()
    assert repr(keys) == (
        "<KeyRing <Account alice | 0 in flight>, <Account bob | 0 in flight>, <Account key-3 | 0 in flight>>"
    )
    assert "sk-" not in repr(vars(keys))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no key, and nobody could come in"),
        ("# only a comment", "holds no key"),
        ("a:sk-CANARY\n\na: sk-CANARY2", "--keys k:3: no name, or no key"),
        ("a b:sk-CANARY", "--keys k:1: what stands behind the key is no limit"),
        ("alice:\n", "no name, or no key"),
        (":sk-CANARY", "no name, or no key"),
        ("alice:sk-CANARY-caf\xe9", "no key that a header can hold"),
        ("na/me:sk-CANARY", "no name"),
        ("a:sk-CANARY in_flight=0", "no limit"),
        ("a:sk-CANARY in_flight=x", "no limit"),
        ("a:sk-CANARY rate=10", "--keys k:1: rate must be like 10/s"),
        ("a:sk-CANARY, b:sk-CANARY2", "no limit"),
        ("a:sk-CANARY\na:sk-CANARY2", "--keys k:2: this name or key stands there twice"),
        ("a:sk-CANARY\nb:sk-CANARY", "--keys k:2: this name or key stands there twice"),
    ],
)
def test_a_broken_file_is_named_by_its_line_and_never_by_its_text(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        ring(text)
    assert complaint in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keys cannot be read: No such file"):
        read_keys(tmp_path / "none", "--keys", DEFAULT)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="--keys cannot be read: not UTF-8"):
        read_keys(tmp_path / "binary", "--keys", DEFAULT)


def test_owners_who_stay_keep_what_they_have_under_way() -> None:
    old, new = ring(), ring("alice:sk-other in_flight=1\ndave:sk-dave")
    (alice, *_) = old.accounts
    alice.enter(0)
    new.take_over(old)
    assert new.accounts[0] is alice
    assert (alice.in_flight, alice.allowance) == (1, Allowance(in_flight=1))
    assert [name_of(new, X_Api_Key=key) for key in ("sk-other", "sk-dave", "sk-alice")] == ["alice", "dave", None]
