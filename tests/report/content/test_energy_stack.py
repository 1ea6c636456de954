from pathlib import Path

import pytest
from runs.made_run import make_run, steady_power

from imaxproxy.report.content import energy_stack, mean_stack


def test_the_parts_add_up_to_the_joules_of_a_token(tmp_path: Path) -> None:
    summary = make_run(tmp_path, power=steady_power(every_s=0.1)).summary
    summary["energy"]["idle"]["energy_j"] = 0.25 * summary["energy"]["windows"]["whole"]["energy_j"]
    stack = energy_stack(summary)
    assert stack is not None
    assert stack.total == summary["energy"]["windows"]["whole"]["j_per_output_token"]
    assert sum(stack.parts.values()) == pytest.approx(stack.total)
    assert stack.parts["idle"] == pytest.approx(stack.total / 4)
    requests = summary["energy"]["requests"]
    assert stack.parts["answer"] / stack.parts["prefill"] == pytest.approx(requests["answer_j"] / requests["prefill_j"])
    assert min(stack.parts.values()) >= 0


def test_without_idle_all_of_it_is_split(tmp_path: Path) -> None:
    summary = make_run(tmp_path, power=steady_power(every_s=0.1)).summary
    summary["energy"]["idle"]["energy_j"] = None
    stack = energy_stack(summary)
    assert stack is not None
    assert "idle" not in stack.parts
    assert sum(stack.parts.values()) == pytest.approx(stack.total)
    with_idle = energy_stack(make_run(tmp_path / "b", power=steady_power(every_s=0.1)).summary)
    assert with_idle is not None
    both = mean_stack([stack, with_idle])
    assert both.total == pytest.approx((stack.total + with_idle.total) / 2)
    assert set(both.parts) <= set(stack.parts)


def test_no_energy_no_stack(tmp_path: Path) -> None:
    assert energy_stack(make_run(tmp_path).summary) is None
    with pytest.raises(ValueError, match="needs a stack"):
        mean_stack([])
