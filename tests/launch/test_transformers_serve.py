import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import engine_of
from tests.launch.plans import plan, recipe, value


def test_the_model_is_named_by_its_path() -> None:
    tiny = recipe("tiny-cpu-transformers", model_path="/models/tiny")
    (server,) = plan(tiny).processes
    assert server.argv[1:5] == ("-m", "transformers.cli.transformers", "serve", "/models/tiny")
    assert value(server.argv, "--device") == "cpu"
    assert engine_of(tiny).client_name(tiny) == "/models/tiny"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"served_name": "tiny"}, "served_name: transformers serve names a model by its path"),
        ({"weights": "dummy"}, "weights: transformers serve knows no random weights"),
    ],
)
def test_what_it_cannot_do_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan(recipe("tiny-cpu-transformers", **changes))
