from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import Ask, ByModel, Exchange, Outcome, Tally, Usage

METRICS = ("e2e_ms",)
ASK = Ask("r", "/v1/chat/completions", 0, sent_ns=0, dialect="chat")


class Counted:
    """A tally and its parts, as their owner adds to both."""

    def __init__(self, models: list[str | None]) -> None:
        self.whole = Tally()
        self.by_model = ByModel(METRICS, self.whole)
        for model in models:
            exchange = Exchange(ASK, Outcome.COMPLETED, 5_000, model=model, usage=Usage(1, 2))
            self.by_model.add(exchange)
            self.whole.add(exchange)

    def merge(self, other: "Counted") -> None:
        self.by_model.merge(other.by_model)
        self.whole.merge(other.whole)

    def counts(self) -> dict[str, tuple[int, int]]:
        return {name: (part.sent, part.histograms["e2e_ms"].total) for name, part in self.by_model.parts().items()}


def test_with_one_model_the_whole_is_its_part() -> None:
    counted = Counted(["m", None, "m"])
    assert counted.by_model.parts()["m"] is counted.whole


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8), min_size=1, max_size=4))
def test_each_model_has_its_own_wherever_it_was_counted(lists: list[list[str | None]]) -> None:
    first, *others = [Counted(models) for models in lists]
    for other in others:
        first.merge(other)
    models = [model for each in lists for model in each]
    assert first.counts() == {model: (models.count(model),) * 2 for model in set(models)}


def test_paths_that_are_not_measured_have_no_model() -> None:
    tally = Tally()
    by_model = ByModel(METRICS, tally)
    by_model.add(Exchange(replace(ASK, dialect=None), Outcome.COMPLETED, 1, model="m"))
    assert by_model.parts() == {}
