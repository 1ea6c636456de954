"""Prompts of exact length on engines that do not count words: whole commands over sockets."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from cli.command import Command, lines_of, write_trace
from scripted_engine import LAST_CHUNK, MODELS, STREAM_HEAD, Call, Script, ScriptedEngine, page, sse, token

from imaxproxy.traces import shipped_words

StartEngine = Callable[[Script], ScriptedEngine]
TEMPLATE_TOKENS = 23


@contextmanager
def simulated(*flags: str) -> Iterator[str]:
    """The simulated engine as one that runs somewhere; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "imaxproxy.sim", "--model", "tiny", "--fixed-step-ms", "1", *flags],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lengths(command: Command, out: str = "run") -> list[tuple[int, int]]:
    """What the trace asked for and what the engine counted, of each request."""
    rows = lines_of(command.folder / out / "exchanges-0.jsonl")
    return [(row["planned_input_tokens"], row["usage"]["input_tokens"]) for row in rows]


def prompts(command: Command, out: str = "run") -> dict[str, Any]:
    """What the manifest says of how prompts were made."""
    made: dict[str, Any] = json.loads((command.folder / out / "manifest.json").read_bytes())["trace"]["prompts"]
    return made


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Lengths about a block's border, of 300 to 1,300 tokens, with shared blocks."""
    rows = [
        {"timestamp": number, "input_length": length, "output_length": 2, "hash_ids": list(range(-(-length // 512)))}
        for number, length in enumerate([300, 511, 512, 513, 1023, 1024, 1025, 1300])
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "trace.jsonl"


def test_a_chat_template_is_measured_and_left_out_of_every_prompt(command: Command, trace: Path) -> None:
    with simulated("--template-tokens", str(TEMPLATE_TOKENS)) as url:
        done = command.run("replay", trace, "--url", url, "--out", "run").check(0)
        plain = command.run("replay", trace, "--url", url, "--calibrate", "never", "--out", "plain").check(0)
    assert all(planned == counted for planned, counted in lengths(command))
    assert f"{TEMPLATE_TOKENS + 1} more a prompt" in done.err
    assert {counted - planned for planned, counted in lengths(command, "plain")} == {TEMPLATE_TOKENS}
    assert (prompts(command)["fits"], prompts(command, "plain")) == (True, {"calibrated": False})
    assert "more a prompt" not in plain.err


def test_a_word_list_that_does_not_fit_is_mended(command: Command, trace: Path) -> None:
    """Words of over five letters are two tokens there: short ones are looked for, and prompts are exact."""
    with simulated("--template-tokens", "7", "--letters-per-token", "5") as url:
        done = command.run("replay", trace, "--url", url, "--workers", 2, "--out", "run").check(0)
    assert "looking for words that are one token" in done.err
    assert all(planned == counted for planned, counted in lengths(command))
    assert (prompts(command)["fits"], 256 <= prompts(command)["words"] < 2000) == (True, True)


def test_where_hardly_a_word_is_a_token_lengths_hold_on_average(command: Command, trace: Path) -> None:
    with simulated("--letters-per-token", "1") as url:
        done = command.run("replay", trace, "--url", url, "--out", "run").check(0)
    assert "hold on average; pass --tokenizer DIR" in done.err
    planned, counted = (sum(values) for values in zip(*lengths(command), strict=True))
    assert counted == pytest.approx(planned, rel=0.1)  # some 85 words a block, drawn anew each run
    assert not prompts(command)["fits"]


def trained(folder: Path) -> tokenizers.Tokenizer:
    """A byte-level BPE that knows some 300 of our words whole, and cuts all others."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = shipped_words()[1000:1300]
    text = " ".join((*words, *words))
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=8000, show_progress=False)
    tokenizer.train_from_iterator([text, *words], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def counting(tokenizer: tokenizers.Tokenizer) -> Script:
    """An engine that counts a chat's tokens with this tokenizer, and adds a template."""

    async def script(call: Call) -> None:
        if call.request.line.startswith(b"GET"):
            await call.send(MODELS if b"/v1/models" in call.request.line else page(404, b"{}"))
            return
        asked = json.loads(call.request.body)
        ids = tokenizer.encode(asked["messages"][0]["content"]).ids
        used = {"prompt_tokens": TEMPLATE_TOKENS + len(ids), "completion_tokens": 1}
        if not asked["stream"]:
            await call.send(page(200, json.dumps({"choices": [], "usage": used}).encode()))
            return
        events = [token("a", "stop"), sse({"choices": [], "usage": used}), sse(b"[DONE]")]
        await call.send(STREAM_HEAD, *events, LAST_CHUNK)

    return script


def test_a_local_tokenizer_gives_words_of_its_own(command: Command, start_engine: StartEngine, trace: Path) -> None:
    engine = start_engine(counting(trained(command.folder)))
    command.run("replay", trace, "--url", engine.url, "--tokenizer", ".", "--out", "run").check(0)
    assert all(planned == counted for planned, counted in lengths(command))
    assert prompts(command)["words"] >= 256


def test_another_models_tokenizer_is_seen_through(command: Command, start_engine: StartEngine, trace: Path) -> None:
    engine = start_engine(counting(trained(command.folder)))
    (command.folder / "other").mkdir()
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(shipped_words())}, "able")
    other = tokenizers.Tokenizer(model)
    other.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    other.save(str(command.folder / "other" / "tokenizer.json"))
    done = command.run("replay", trace, "--url", engine.url, "--tokenizer", "other", "--out", "run").check(0)
    assert "in a word that is one to --tokenizer: is it this model's?" in done.err


def test_text_is_counted_with_the_tokenizer(command: Command, start_engine: StartEngine) -> None:
    """The engine's count stands beside the tokenizer's: they differ by the template alone."""
    tokenizer = trained(command.folder)
    engine = start_engine(counting(tokenizer))
    texts = ["hello there", "a longer text than the one before it"]
    rows = [{"timestamp": number, "text_input": text} for number, text in enumerate(texts)]
    (command.folder / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command.run("replay", "text.jsonl", "--url", engine.url, "--tokenizer", ".", "--out", "run").check(0)
    expected = [len(tokenizer.encode(text).ids) for text in texts]
    assert sorted(lengths(command)) == sorted((count, count + TEMPLATE_TOKENS) for count in expected)
    posts = [request for request in engine.requests if request.line.startswith(b"POST")]
    assert len(posts) == 2  # no prompt of ours is in the trace: nobody need be asked how they are counted


def test_an_engine_that_cannot_be_asked(command: Command, start_engine: StartEngine) -> None:
    """By default the run goes on and says so; under `always` it does not begin. No key that is told is shown."""
    trace = write_trace(command.folder / "trace.jsonl", 2)
    key = "sk-CANARY-1234567890"
    answers = {b"GET /v1/models": MODELS}

    async def script(call: Call) -> None:
        answer = next((page for line, page in answers.items() if call.request.line.startswith(line)), None)
        await call.send(answer or page(401, json.dumps({"error": f"bad key {key}"}).encode()))

    engine = start_engine(script)
    flags = ("replay", trace, "--url", engine.url, "--api-key", key)
    done = command.run(*flags, "--out", "run").check(1)
    assert "prompts are not calibrated: the engine answered 401" in done.err
    forced = command.run(*flags, "--calibrate", "always", "--out", "forced").check(1)
    assert forced.err.splitlines()[-1].startswith("imaxproxy: the engine answered 401")
    assert key not in done.err + forced.err + (command.folder / "run" / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--tokenizer", "nowhere"), "nowhere does not exist"),
        (("--tokenizer", "trace.jsonl"), "trace.jsonl is no tokenizer.json"),
    ],
)
def test_a_tokenizer_that_is_none(command: Command, flags: tuple[str, ...], complaint: str) -> None:
    write_trace(command.folder / "trace.jsonl", 2)
    assert complaint in command.run("replay", "trace.jsonl", "--url", "http://127.0.0.1:9", *flags).complaint()
