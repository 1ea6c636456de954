"""Where a run's joules went: idling, reading prompts, making tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

PARTS = ("idle", "prefill", "reasoning", "answer", "unattributed")
"""From the bottom of the stack to its top."""


@dataclass(frozen=True, slots=True)
class EnergyStack:
    """Joules of the boards an output token; the parts add up to the total.

    Idle is what the boards draw without work, over the whole run. What they drew above that is split as requests were
    charged (`energy.requests` of the summary): prefill, decode of reasoning, decode of answers, and what no request
    was under way for. Where idle is not known the total is split so.
    """

    parts: dict[str, float]
    """By PARTS; `idle` is missing where it is not known."""
    total: float
    power_w: float
    boundary: str
    prefill_by: str
    """How prefill was told from decode: `regression` of this run, or a `default` weight."""
    valid: bool


def energy_stack(summary: dict[str, Any]) -> EnergyStack | None:
    """Of the whole run. None where no energy was measured or modelled, or it could not be shared among requests."""
    energy = summary["energy"] or {}
    whole = (energy.get("windows") or {}).get("whole")
    requests = energy.get("requests")
    if whole is None or requests is None or not whole["j_per_output_token"]:
        return None
    total_j, each_j = whole["energy_j"], whole["j_per_output_token"]
    idle_j = min(energy["idle"]["energy_j"], total_j) if energy["idle"]["energy_j"] is not None else None
    charged = {
        "prefill": requests["prefill_j"],
        "reasoning": requests["reasoning_j"],
        "answer": requests["answer_j"],
        "unattributed": requests["unattributed_j"],
    }
    of_all = sum(charged.values())
    above_j = total_j - (idle_j or 0.0)
    scale = above_j / of_all / total_j * each_j if of_all else 0.0
    parts = {} if idle_j is None else {"idle": idle_j / total_j * each_j}
    return EnergyStack(
        parts=parts | {name: joules * scale for name, joules in charged.items()},
        total=each_j,
        power_w=whole["power_w"],
        boundary=str(energy["boundary"]),
        prefill_by=str(requests["prefill_weight_by"]),
        valid=bool(energy["valid"]),
    )


def mean_stack(stacks: Sequence[EnergyStack]) -> EnergyStack:
    """Of repeats: each part's mean. Idle stays only where all know it. Raises ValueError without a stack."""
    if not stacks:
        raise ValueError("a mean needs a stack")
    shared = [name for name in PARTS if all(name in stack.parts for stack in stacks)]
    first = stacks[0]
    return EnergyStack(
        parts={name: fmean(stack.parts[name] for stack in stacks) for name in shared},
        total=fmean(stack.total for stack in stacks),
        power_w=fmean(stack.power_w for stack in stacks),
        boundary=first.boundary,
        prefill_by=first.prefill_by if len({stack.prefill_by for stack in stacks}) == 1 else "regression or default",
        valid=all(stack.valid for stack in stacks),
    )
