"""The flags of `python -m imaxproxy.sim`, checked."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from imaxproxy.economics import gpu_kinds
from imaxproxy.errors import UsageError
from imaxproxy.sim.constants import engine_names

_UNBOUNDED = 1 << 40


@dataclass(frozen=True, slots=True)
class SimArgs:
    """All that the simulated engine is told."""

    host: str
    port: int
    model: str
    recipe: str | None
    gpu: str
    precision: str
    tp: int
    ep: int
    dp_attention: bool
    engine: str
    vintage: float
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    block_size: int
    prefix_caching: bool
    context_tokens: int | None
    default_output_tokens: int
    tokens_per_event: int
    reasoning_share: float
    reasoning_field: str
    fixed_step_ms: float | None
    fixed_ttft_ms: float | None
    truth: Path | None
    stop_with_parent: bool


def parse_args(argv: Sequence[str]) -> SimArgs:
    """Read the flags. Raises UsageError; `--help` exits."""
    fields: dict[str, Any] = vars(_parser().parse_args(argv))
    is_fixed = fields["fixed_step_ms"] is not None
    if fields["fixed_ttft_ms"] is not None and not is_fixed:
        raise UsageError("--fixed-ttft-ms needs --fixed-step-ms")
    if is_fixed and fields["fixed_ttft_ms"] is None:
        fields["fixed_ttft_ms"] = fields["fixed_step_ms"]
    fields["max_num_seqs"] = fields["max_num_seqs"] or (_UNBOUNDED if is_fixed else 256)
    fields["max_num_batched_tokens"] = fields["max_num_batched_tokens"] or (_UNBOUNDED if is_fixed else 8192)
    if not 0 <= fields["reasoning_share"] <= 1:
        raise UsageError(f"--reasoning-share is a share from 0 to 1, not {fields['reasoning_share']:g}")
    return SimArgs(**fields)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as everywhere."""
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m imaxproxy.sim",
        description="A simulated LLM engine with an OpenAI server. Prompt tokens are words between white space.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    _add_server(parser.add_argument_group("server"))
    _add_deployment(parser.add_argument_group("what is simulated"))
    _add_scheduler(parser.add_argument_group("scheduler and KV cache"))
    _add_output(parser.add_argument_group("answers"))
    return parser


def _add_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default="127.0.0.1")
    group.add_argument("--port", type=int, default=0, help="0: the kernel picks one; see the ready line on stdout")
    group.add_argument("--truth", type=Path, help="file for the truth log, one JSON line a request")
    group.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    group.add_argument("--recipe", help="name of the recipe these flags came from, for the description only")


def _add_deployment(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", default="openai/gpt-oss-120b", help="served name; without --fixed-step-ms also the shape"
    )
    group.add_argument("--gpu", default="b200", choices=gpu_kinds())
    group.add_argument("--precision", default="fp4", choices=("bf16", "fp8", "fp4"))
    group.add_argument("--tp", type=_positive, default=1)
    group.add_argument("--ep", type=_positive, default=1)
    group.add_argument("--dp-attention", action="store_true")
    group.add_argument("--engine", default="vllm", choices=engine_names(), help="whose host overhead")
    group.add_argument("--vintage", type=float, default=1.0, help="age of the software: 1.2 Oct 2025, 0.8 spring 2026")
    group.add_argument("--fixed-step-ms", type=float, help="every step takes this long; models no hardware")
    group.add_argument("--fixed-ttft-ms", type=float, help="first token after this, on the steps' grid")


def _add_scheduler(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--max-num-seqs", type=_positive, help="256, unbounded with a fixed step")
    group.add_argument("--max-num-batched-tokens", type=_positive, help="8192, unbounded with a fixed step")
    group.add_argument("--gpu-memory-utilization", type=float, default=0.9)
    group.add_argument("--block-size", type=_positive, default=16)
    group.add_argument("--prefix-caching", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--context-tokens", type=_positive, help="longest prompt and answer together; the model's own")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--default-output-tokens", type=_positive, default=128, help="of a request without max_tokens")
    group.add_argument("--tokens-per-event", type=_positive, default=1, help="as vLLM's --stream-interval")
    group.add_argument("--reasoning-share", type=float, default=0.0, help="share of a chat's tokens that are reasoning")
    group.add_argument("--reasoning-field", default="reasoning", choices=("reasoning", "reasoning_content"))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number
