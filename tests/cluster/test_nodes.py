from dataclasses import replace

import pytest

from imaxproxy import __version__
from imaxproxy.cluster.nodes import NodeFacts, check_versions
from imaxproxy.errors import UsageError

OURS = NodeFacts("2.50.0", "3.11.7", __version__, "c0de")


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (replace(OURS, ray="2.49.0"), "node b runs Ray 2.49.0, and this is 2.50.0"),
        (replace(OURS, python="3.12.1"), "node b runs Python 3.12, and this is 3.11"),
        (replace(OURS, imaxproxy="9.9"), "node b runs imaxproxy 9.9, and this is"),
        (replace(OURS, imaxproxy=None), "node b has no imaxproxy: install version"),
        (replace(OURS, code="other"), "but other code of it"),
    ],
)
def test_the_first_node_that_differs_is_named(theirs: NodeFacts, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_versions(OURS, {"a": OURS, "b": theirs})


def test_patch_releases_of_python_go_together() -> None:
    check_versions(OURS, {"a": replace(OURS, python="3.11.9")})
