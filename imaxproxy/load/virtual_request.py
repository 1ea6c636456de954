"""A trace's row as the simulated engine sees it in virtual time: token counts and block names, no text."""

from collections.abc import Sequence
from dataclasses import dataclass

from imaxproxy.sim import Api, BadRequest, CompletionRequest, Limits, block_hashes, parse_request
from imaxproxy.traces import PATHS, Endpoint, History, Prompts, TraceRow, build_request


@dataclass(frozen=True, slots=True)
class VirtualRequest:
    """What the engine would have read."""

    path: str
    input_tokens: int
    output_tokens: int
    finish_reason: str
    block_names: Sequence[int]
    refused: BadRequest | None = None
    asked: CompletionRequest | None = None
    """The request that was read, where the row has a text."""


class RequestMaker:
    """Reads rows. Those that give lengths cost no text: their blocks are named by what the prompt's text would share.

    Equal names mean equal words, as `traces.Prompts` would write them: a hash id stands for its block and all before
    it; a group or a session has one stream of words; the rest is the request's own.
    """

    def __init__(self, limits: Limits, block_tokens: int, endpoint: Endpoint, prompts: Prompts) -> None:
        self._limits = limits
        self._block_tokens = block_tokens
        self._endpoint = endpoint
        self._prompts = prompts
        self._history = History()

    def request(self, row: TraceRow) -> VirtualRequest:
        """Raises UsageError for a row that cannot be sent."""
        if row.has_content or row.output_mode != "exact" or row.output_length is None or not row.input_length:
            return self._of_text(row)
        path, tokens = PATHS[self._endpoint], row.input_length
        room_tokens = min(self._limits.context_tokens, self._limits.kv_tokens)
        if tokens + row.output_length > room_tokens:
            refused = BadRequest(f"{tokens} + {row.output_length} tokens are more than the engine's {room_tokens}")
            return VirtualRequest(path, tokens, row.output_length, "length", (), refused)
        return VirtualRequest(path, tokens, row.output_length, "length", self._names(row, tokens))

    def path_of(self, row: TraceRow) -> str:
        """Where a row that was never made into a request would have gone."""
        return PATHS["completions" if row.prompt is not None else "chat" if row.messages else self._endpoint]

    def _of_text(self, row: TraceRow) -> VirtualRequest:
        """Make the body and read it, as the live engine does."""
        built = build_request(
            row, model=self._limits.model, endpoint=self._endpoint, prompts=self._prompts, history=self._history
        )
        api: Api = "completions" if built.path == PATHS["completions"] else "chat"
        try:
            asked = parse_request(built.body, api, self._limits)
        except BadRequest as error:
            return VirtualRequest(built.path, 0, 0, "", (), error)
        names = block_hashes(asked.prompt, self._block_tokens) if self._block_tokens else ()
        return VirtualRequest(
            built.path, asked.prompt_tokens, asked.output_tokens, asked.finish_reason, names, None, asked
        )

    def _names(self, row: TraceRow, tokens: int) -> Sequence[int]:
        """One a full block of the engine's, but for the last token, which is always computed."""
        if not self._block_tokens:
            return ()
        blocks = (tokens - 1) // self._block_tokens
        if row.hash_ids and row.block_size % self._block_tokens == 0:
            names = self._names_of_ids(row)[:blocks]
        else:
            names = self._names_of_prefix(row, blocks)
        own = hash(("own", row.request_id))
        return names + [own ^ number for number in range(len(names), blocks)]

    def _names_of_ids(self, row: TraceRow) -> list[int]:
        parts = range(row.block_size // self._block_tokens)
        if row.hash_id_scope == "session":
            return [hash((row.session_id, name, part)) for name in row.hash_ids for part in parts]
        width = len(parts)
        return [name * width + part for name in row.hash_ids for part in parts]

    def _names_of_prefix(self, row: TraceRow, blocks: int) -> list[int]:
        if row.prefix_length is None:
            return []
        if row.prefix_group is not None:
            shared, stem = min(blocks, row.prefix_length // self._block_tokens), hash(("group", row.prefix_group))
        elif row.session_id is not None:
            shared, stem = blocks, hash(("session", row.session_id))
        else:
            return []
        return [stem ^ number for number in range(shared)]
