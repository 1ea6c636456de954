"""The flags of `python -m imaxproxy.sim`, checked."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from imaxproxy.economics import gpu_kinds
from imaxproxy.errors import UsageError
from imaxproxy.sim.constants import default_chunk_tokens, engine_names
from imaxproxy.sim.reply import RoleComes, UsagePolicy
from imaxproxy.sim.speculation import Speculation, by_length
from imaxproxy.sim.tokenization import Tokenization

_UNBOUNDED = 1 << 40
_FASTEST = 1000


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
    kv_precision: str | None
    batch_wait_steps: float
    replicas: int
    speculation: Speculation
    prefill_workers: int
    decode_workers: int
    prefill_tp: int
    prefill_ep: int
    prefill_dp_attention: bool
    kv_transfer_gb_per_s: float | None
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    block_size: int
    prefix_caching: bool
    context_tokens: int | None
    default_output_tokens: int
    tokenization: Tokenization
    tokens_per_event: int
    reasoning_share: float
    reasoning_field: str
    usage: UsagePolicy
    role: RoleComes
    early_stop: float | None
    fixed_step_ms: float | None
    fixed_ttft_ms: float | None
    truth: Path | None
    power: Path | None
    time_scale: float
    startup_s: float
    seed: int
    faults: list[str]
    stop_with_parent: bool


def parse_args(argv: Sequence[str]) -> SimArgs:
    """Read the flags. Raises UsageError; `--help` exits."""
    fields: dict[str, Any] = vars(_parser().parse_args(argv))
    is_fixed = fields["fixed_step_ms"] is not None
    if fields["fixed_ttft_ms"] is not None and not is_fixed:
        raise UsageError("--fixed-ttft-ms needs --fixed-step-ms")
    if is_fixed and fields["fixed_ttft_ms"] is None:
        fields["fixed_ttft_ms"] = fields["fixed_step_ms"]
    most_seqs = min(_UNBOUNDED if is_fixed else 256, fields["max_num_batched_tokens"] or _UNBOUNDED)
    fields["max_num_seqs"] = fields["max_num_seqs"] or most_seqs
    if not fields["max_num_batched_tokens"]:
        chunk_tokens = default_chunk_tokens(fields["engine"])
        fields["max_num_batched_tokens"] = _UNBOUNDED if is_fixed else max(chunk_tokens, fields["max_num_seqs"])
    fields["speculation"] = _speculation(fields)
    fields["tokenization"] = Tokenization(fields.pop("template_tokens"), fields.pop("letters_per_token"))
    if (fields["prefill_workers"] > 0) != (fields["decode_workers"] > 0):
        raise UsageError("--prefill-workers and --decode-workers go together")
    if fields["prefill_workers"] and fields["replicas"] > 1:
        raise UsageError("--replicas is for engines that do all; raise --prefill-workers and --decode-workers instead")
    if not 0 < fields["time_scale"] <= _FASTEST:
        raise UsageError(f"--time-scale is above 0 and at most {_FASTEST}, not {fields['time_scale']:g}")
    if not 0 <= fields["reasoning_share"] <= 1:
        raise UsageError(f"--reasoning-share is a share from 0 to 1, not {fields['reasoning_share']:g}")
    if fields["early_stop"] is not None and not 0 < fields["early_stop"] <= 1:
        raise UsageError(f"--early-stop is a share above 0 and up to 1, not {fields['early_stop']:g}")
    return SimArgs(**fields)


def _speculation(fields: dict[str, Any]) -> Speculation:
    """Takes the flags it stands for out of `fields`."""
    drafts, length, chances = (fields.pop(name) for name in ("draft_tokens", "acceptance_length", "acceptance"))
    if chances and (drafts or length):
        raise UsageError("--acceptance says it all: leave out --draft-tokens and --acceptance-length")
    if chances:
        try:
            return Speculation(tuple(float(text) for text in chances.split(",")))
        except ValueError:
            raise UsageError(f"--acceptance is chances with commas, 0.8,0.6,0.4, not {chances}") from None
    if (drafts is None) != (length is None):
        raise UsageError("--draft-tokens and --acceptance-length go together: acceptance depends on the workload")
    return by_length(drafts, length) if drafts else Speculation()


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
    _add_workers(parser.add_argument_group("speculative decoding, several workers"))
    _add_scheduler(parser.add_argument_group("scheduler and KV cache"))
    _add_output(parser.add_argument_group("answers"))
    return parser


def _add_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default="127.0.0.1")
    group.add_argument("--port", type=int, default=0, help="0: the kernel picks one; see the ready line on stdout")
    group.add_argument("--truth", type=Path, help="file for the truth log, one JSON line a request")
    group.add_argument("--power", type=Path, help="file for power samples, one JSON line a device and sample")
    group.add_argument("--time-scale", type=float, default=1.0, help="live, but so many times faster")
    group.add_argument("--startup-s", type=float, default=0.0, help="answer 503 for so long")
    group.add_argument("--seed", type=int, default=0, help="of accepted drafts and of faults")
    group.add_argument(
        "--fault", action="append", dest="faults", default=[], metavar="SPEC", help="e.g. disconnect=4,p=0.1"
    )
    group.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    group.add_argument("--recipe", help="name of the recipe these flags came from, for the description only")


def _add_deployment(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", default="openai/gpt-oss-120b", help="served name; without --fixed-step-ms also the shape"
    )
    group.add_argument("--gpu", default="b200", help=f"one of {', '.join(gpu_kinds())}")
    group.add_argument("--precision", default="fp4", choices=("bf16", "fp8", "fp4"))
    group.add_argument("--tp", type=_positive, default=1)
    group.add_argument("--ep", type=_positive, default=1)
    group.add_argument("--dp-attention", action="store_true")
    group.add_argument("--engine", default="vllm", choices=engine_names(), help="whose host overhead")
    group.add_argument(
        "--vintage", type=float, default=1.0, help="age of the software: 1.2 autumn 2025, 0.73 spring 2026"
    )
    group.add_argument("--kv-precision", choices=("bf16", "fp8"), help="of the KV cache; as InferenceX's recipes")
    group.add_argument("--batch-wait-steps", type=float, default=0.0, help="a prompt waits so many steps for others")
    group.add_argument("--fixed-step-ms", type=float, help="every step takes this long; models no hardware")
    group.add_argument("--fixed-ttft-ms", type=float, help="first token after this, on the steps' grid")


def _add_workers(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--draft-tokens", type=_positive, help="drafts a step and stream")
    group.add_argument("--acceptance-length", type=float, help="mean tokens a step and stream, 1 to draft tokens + 1")
    group.add_argument("--acceptance", metavar="P,P,..", help="or: chance of each draft, all before it accepted")
    group.add_argument("--replicas", type=_positive, default=1, help="engines that share the load")
    group.add_argument("--prefill-workers", type=_count, default=0, help="disaggregated: workers that read prompts")
    group.add_argument("--decode-workers", type=_count, default=0, help="disaggregated: workers of --tp that decode")
    group.add_argument("--prefill-tp", type=_positive, default=1)
    group.add_argument("--prefill-ep", type=_positive, default=1)
    group.add_argument("--prefill-dp-attention", action="store_true")
    group.add_argument("--kv-transfer-gb-per-s", type=float, help="a GPU, between workers; the scale-out network's")


def _add_scheduler(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--max-num-seqs", type=_positive, help="256, unbounded with a fixed step")
    group.add_argument("--max-num-batched-tokens", type=_positive, help="the engine's own, unbounded with a fixed step")
    group.add_argument("--gpu-memory-utilization", type=float, default=0.9, help="TensorRT-LLM: of what weights leave")
    group.add_argument("--block-size", type=_positive, default=16)
    group.add_argument("--prefix-caching", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--context-tokens", type=_positive, help="longest prompt and answer together; the model's own")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--default-output-tokens", type=_positive, default=128, help="of a request without max_tokens")
    group.add_argument("--template-tokens", type=_count, default=0, help="a chat's template adds so many")
    group.add_argument("--letters-per-token", type=_positive, help="longer words are cut; without it, a word is one")
    group.add_argument("--tokens-per-event", type=_positive, default=1, help="as vLLM's --stream-interval")
    group.add_argument("--reasoning-share", type=float, default=0.0, help="share of a chat's tokens that are reasoning")
    group.add_argument("--reasoning-field", default="reasoning", choices=("reasoning", "reasoning_content"))
    group.add_argument("--usage", default="asked", choices=("asked", "final", "continuous", "never"))
    group.add_argument(
        "--role",
        default="first-token",
        choices=("first-token", "taken-up", "admitted"),
        help="when a chat's role comes: with its first token, when its prompt is taken up, or when it was read",
    )
    group.add_argument(
        "--early-stop", type=float, metavar="SHARE", help="answers stop by themselves after this share of max_tokens"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number
