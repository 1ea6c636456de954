"""Claude Code conversations as hashed by kv-cache-tester (WEKA) and SemiAnalysis' cc-traces: one JSON object each.

Times are seconds from the session's start, rounded; blocks of 64 tokens, the tail unhashed; ids are the file's own.

A sub-agent's entry stands where its result came back. Its `t` is that moment: `t - duration_ms` of agents that were
spawned together is one instant, the end of the request that spawned them (trace_0277: 19.474, 19.461 and 19.474 s
after a request that ended at 18.78). Newer captures may write the start; whichever fits is taken.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.traces.fields import MAX_TOKENS, BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import DEFAULT_BLOCK_TOKENS, HashIdScope, TraceRow

_ROUNDING_S = 2.0
"""`t` is rounded to whole seconds: on 99.99 % of rows, gaps add up within 2 s."""
_SCOPES: dict[str | None, HashIdScope] = {None: "session", "local": "session", "session": "session", "global": "global"}


def is_weka(record: Mapping[str, Any]) -> bool:
    requests = record.get("requests")
    return "id" in record and isinstance(requests, list) and all(isinstance(r, dict) and "t" in r for r in requests)


class WekaReader(RowReader):
    """A conversation becomes the main session and one session for each sub-agent, forked and joined by `wait_for`.

    Blocks that sub-agents share are still shared: the ids' scope is the conversation, whoever of it sends them.
    """

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        fields = Fields(record)
        session = fields.key("id")
        block_size = fields.whole("block_size", 1, MAX_TOKENS) or DEFAULT_BLOCK_TOKENS
        scope = fields.name("hash_id_scope")
        if scope not in _SCOPES:
            raise bad_field("hash_id_scope", '"local" or "global"', scope)
        entries = fields.objects("requests")
        if not entries:
            raise bad_field("requests", "at least one request", [])
        facts = {name: fields.tokens(name) for name in ("tool_tokens", "system_tokens") if fields.has(name)}
        for name in ("models", "totals"):  # sums of what the requests say
            record.pop(name, None)
        return list(_Conversation(self, session, block_size, _SCOPES[scope], facts, fields.left()).rows(entries))


@dataclass
class _Conversation:
    """One conversation on its way to rows; `_ended` and `_open` say what the next main request may have to wait for."""

    reader: RowReader
    session: str
    block_size: int
    scope: HashIdScope
    facts: dict[str, Any]
    unknown: dict[str, Any]
    _ended: list[tuple[float, str]] = field(default_factory=list)
    """End in s and id of each main request so far."""
    _open: list[tuple[float, str]] = field(default_factory=list)
    """End in s and id of the last request of each sub-agent that no main request waited for yet."""

    def rows(self, entries: tuple[dict[str, Any], ...]) -> Iterator[TraceRow]:
        for number, entry in enumerate(entries):
            try:
                yield from self._agent(entry) if entry.get("type") == "subagent" else self._main(entry)
            except BadRow as bad:
                raise BadRow(f"requests[{number}]: {bad}") from None

    def _main(self, entry: dict[str, Any]) -> Iterator[TraceRow]:
        call = _Call.parse(entry)
        joined = [(end_s, who) for end_s, who in self._open if end_s <= call.start_s + _ROUNDING_S]
        self._open = [each for each in self._open if each not in joined]
        before = self._ended[-1:]
        waits = [*before, *joined]
        # An idle gap counts from the end of the last of them; where the parent waited for agents, they are the gap.
        delay_s = call.think_s if not joined else max(0.0, call.start_s - max(end_s for end_s, _ in waits))
        row = self._row(call, self.session, len(self._ended), waits, delay_s)
        self._ended.append((call.end_s, row.request_id))
        yield row

    def _agent(self, entry: dict[str, Any]) -> Iterator[TraceRow]:
        fields = Fields(entry)
        at_s, agent = _seconds(fields, "t") or 0.0, fields.key("agent_id")
        duration_s = (fields.ms("duration_ms") or 0.0) / 1000
        calls = [_Call.parse(call) for call in fields.objects("requests")]
        if not calls:
            self.reader.left_out["sub-agents without a request"] += 1
            return
        spawned_s = self._spawned_s(at_s, duration_s)
        shift_s = spawned_s if calls[0].start_s < spawned_s else 0.0  # relative in older captures, absolute in newer
        session = f"{self.session}/{agent}"
        kind = fields.name("subagent_type")
        fork = [each for each in self._ended if each[0] <= spawned_s + _ROUNDING_S][-1:] or self._ended[:1]
        before = fork
        for turn, call in enumerate(calls):
            call.start_s += shift_s
            delay_s = call.think_s if turn else max(0.0, call.start_s - max((end for end, _ in fork), default=0.0))
            row = self._row(call, session, turn, before, delay_s, kind)
            before = [(call.end_s, row.request_id)]
            yield row
        self._open += [(max(spawned_s + duration_s, before[0][0]), before[0][1])]

    def _spawned_s(self, at_s: float, duration_s: float) -> float:
        latest_end_s = self._ended[-1][0] if self._ended else 0.0
        return at_s - duration_s if at_s - duration_s >= latest_end_s - _ROUNDING_S else at_s

    def _row(
        self,
        call: "_Call",
        session: str,
        turn: int,
        waits: list[tuple[float, str]],
        delay_s: float,
        agent_kind: str | None = None,
    ) -> TraceRow:
        is_agent = session != self.session
        _check_count(len(call.hash_ids), call.input_tokens, self.block_size)
        facts = self.facts if not is_agent and turn == 0 else {}
        return TraceRow(
            request_id=f"{session}#{turn}",
            session_id=session,
            turn=turn,
            parent_session_id=self.session if is_agent else None,
            request_kind="subagent" if is_agent else None,
            wait_for=tuple(request_id for _, request_id in waits),
            timestamp_ms=round(call.start_s * 1000, 3),
            delay_ms=round(delay_s * 1000, 3),
            input_length=self.reader.clamp(call.input_tokens),
            output_length=self.reader.clamp(call.output_tokens),
            hash_ids=call.hash_ids,
            block_size=self.block_size,
            hash_id_scope=self.scope,
            model=call.model,
            tags=call.tags | facts | ({"subagent_type": agent_kind} if agent_kind else {}),
            recorded=call.recorded,
            unknown=call.unknown | (self.unknown if not is_agent and turn == 0 else {}),
        )


@dataclass
class _Call:
    """One model call of the file."""

    start_s: float
    server_s: float
    think_s: float
    input_tokens: int
    output_tokens: int
    hash_ids: tuple[int, ...]
    model: str | None
    tags: dict[str, Any]
    recorded: dict[str, Any]
    unknown: dict[str, Any]

    @property
    def end_s(self) -> float:
        return self.start_s + self.server_s

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> "_Call":
        """Some streaming calls have no `api_time`; their end is taken to be their first token, if that is known."""
        fields = Fields(entry)
        start_s, api_s, ttft_s = (_seconds(fields, name) for name in ("t", "api_time", "ttft"))
        if start_s is None:
            raise bad_field("t", "seconds", None)
        input_tokens, output_tokens = fields.tokens("in"), fields.tokens("out")
        if input_tokens is None or output_tokens is None:
            raise bad_field("in" if input_tokens is None else "out", "a whole number of tokens", None)
        streamed = fields.name("type") == "s"
        stop = fields.text("stop") or None  # some files have ""
        times = {"ttft_ms": _ms(ttft_s), "e2e_ms": _ms(api_s), "finish_reason": stop}
        types = {name: list(fields.texts(name)) for name in ("input_types", "output_types") if fields.has(name)}
        return cls(
            start_s=start_s,
            server_s=api_s if api_s is not None else ttft_s or 0.0,
            think_s=_seconds(fields, "think_time") or 0.0,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            hash_ids=fields.ids("hash_ids") or (),
            model=fields.name("model"),
            tags=types | ({"streamed": True} if streamed else {}),
            recorded={name: value for name, value in times.items() if value is not None},
            unknown=fields.left(),
        )


def _seconds(fields: Fields, name: str) -> float | None:
    at_ms = fields.seconds_as_ms(name)
    return None if at_ms is None else at_ms / 1000


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _check_count(blocks: int, input_tokens: int, block_size: int) -> None:
    """The tail is not hashed; 1.4 % of the published rows hash it all the same, or miss a block more."""
    most = -(-input_tokens // block_size)
    if blocks > most:
        raise BadRow(
            f"field `hash_ids`: expected at most {most} ids ({block_size} tokens a block, `in` {input_tokens}), "
            f"found {blocks}"
        )
