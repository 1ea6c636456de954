"""What a format wants to know of the deployment beyond what was measured: from the engine's description, or said."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class Facts:
    """None where nobody said."""

    model: str | None = None
    tokenizer: str | None = None
    hw: str | None = None
    """InferenceX's runner type: the GPU's key, b200 or gb200."""
    framework: str | None = None
    precision: str | None = None
    spec_decoding: str | None = None
    image: str | None = None
    model_prefix: str | None = None
    gpus: int | None = None
    tp: int | None = None
    pp: int | None = None
    dcp_size: int | None = None
    pcp_size: int | None = None
    ep: int | None = None
    dp_attention: bool | None = None
    isl: int | None = None
    osl: int | None = None
    conc: int | None = None
    recipe_fingerprint: str | None = None

    @classmethod
    def of(cls, record: RunRecord, said: Sequence[str] = ()) -> "Facts":
        """Of the engine; each `said` is `name=value` and wins. Raises UsageError for a name that is none of these."""
        engine = record.engine
        described = cls(
            model=record.settings.get("model") or record.model,
            hw=engine.get("gpu"),
            framework=engine.get("engine"),
            precision=engine.get("precision"),
            spec_decoding=_speculation(engine),
            image=engine.get("image"),
            gpus=engine.get("gpus"),
            tp=engine.get("tp"),
            pp=engine.get("pp", 1 if engine.get("tp") else None),
            dcp_size=1 if engine.get("tp") else None,
            pcp_size=1 if engine.get("tp") else None,
            ep=engine.get("ep"),
            dp_attention=engine.get("dp_attention"),
            conc=record.settings.get("concurrency"),
        )
        return replace(described, **dict(_said(word) for word in said))


_KINDS = {field.name: str(field.type).removesuffix(" | None") for field in fields(Facts)}


def _said(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals or name not in _KINDS:
        raise UsageError(f"--set is NAME=VALUE with a name of {', '.join(_KINDS)}, not {word!r}")
    kind = _KINDS[name]
    if kind == "int":
        if not value.isdecimal() or int(value) < 1:
            raise UsageError(f"--set {name}= wants a whole number of 1 or more, not {value!r}")
        return name, int(value)
    if kind == "bool":
        if value not in {"true", "false"}:
            raise UsageError(f"--set {name}= wants true or false, not {value!r}")
        return name, value == "true"
    return name, value


def _speculation(engine: dict[str, Any]) -> str | None:
    """InferenceX's word for it; None where the engine does not describe itself."""
    if "draft_tokens" not in engine:
        return None
    return "mtp" if engine["draft_tokens"] else "none"
