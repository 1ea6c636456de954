"""What a meter said against what was true: which figures it misread, and whether it warned of them itself."""

from collections.abc import Iterable, Iterator

from benchmarks.accuracy.figures import LABELS, is_close
from benchmarks.accuracy.meter import Trial


def misread(trial: Trial) -> Iterator[str]:
    """Its figures that are further from the truth than `is_close` allows; what it does not know is no mistake."""
    for name in trial.case.figures:
        said, true = trial.said.value(name), trial.true.value(name)
        partly = trial.said.remark and name in ("tokens", "tokens_per_s")
        if said is not None and true is not None and not partly and not is_close(name, said, true):
            yield f"{trial.case.name}: {trial.meter}: {LABELS[name]}: {said:g} said, {true:g} true"


def unwarned(trials: Iterable[Trial]) -> list[str]:
    """What was misread by meters that believed themselves."""
    return [line for trial in trials if not trial.said.doubts for line in misread(trial)]
