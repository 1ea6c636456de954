import pickle
from dataclasses import replace

from imaxproxy.metrics import Exchange, Trim
from imaxproxy.runs.outline import Outline
from runs.made_run import answered


def outline_of(exchanges: list[Exchange]) -> Outline:
    outline = Outline(Trim())
    for exchange in exchanges:
        outline.add(exchange)
    return outline


EXCHANGES = [replace(answered(n / 10), model=f"m{n % 3}") for n in range(200)]


def test_machines_find_the_windows_of_the_whole_by_their_extents_and_their_answers_to_its_grid() -> None:
    whole, parts = outline_of(EXCHANGES), [outline_of(EXCHANGES[n::3]) for n in range(3)]
    together = Outline(Trim())
    for part in parts:
        together.merge(pickle.loads(pickle.dumps(part.extent())))
    grid = together.finder.grid()
    assert grid is not None
    assert grid == whole.finder.grid()
    busy = [sum(each) for each in zip(*(part.finder.busy(grid) for part in parts), strict=True)]
    assert together.finder.close(busy) == whole.finder.close()
    assert together.finder.settled == whole.finder.settled
    assert (together.rates.offered(), together.models.texts) == (whole.rates.offered(), ["m0", "m1", "m2"])


def test_an_extent_leaves_the_outline_as_it_is() -> None:
    outline = outline_of(EXCHANGES)
    grid = outline.finder.grid()
    assert grid is not None
    before = outline.finder.busy(grid)
    assert outline.extent().finder.busy(grid) == [0] * grid.slices
    assert outline.finder.busy(grid) == before
