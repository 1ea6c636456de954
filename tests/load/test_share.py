import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load.share import ALL, Share


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", "give I/N"),
        ("a/2", "give I/N"),
        ("-1/2", "give I/N"),
        ("0/0", "give I/N"),
        ("2/2", "the last one of 2 is 1/2"),
    ],
)
def test_what_is_no_share(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Share.parse(text)


@pytest.mark.parametrize(("of", "each"), [(1, 1), (1, 3), (4, 1), (8, 2)])
def test_shares_have_every_worker_once(of: int, each: int) -> None:
    shares = [Share.parse(f"{index}/{of}") for index in range(of)]
    assert [worker for share in shares for worker in share.workers(each)] == list(range(of * each))
    assert {share.all_workers(each) for share in shares} == {of * each}
    assert str(shares[-1]) == f"{of - 1}/{of}"


def test_all_is_one_share() -> None:
    assert list(ALL.workers(3)) == [0, 1, 2]
