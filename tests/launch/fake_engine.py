"""A small engine program of ours that behaves, or misbehaves, as real ones were seen to.

python fake_engine.py --port 8000 --log recorded.log --metrics recorded.txt
python fake_engine.py --port 8000 --log recorded.log --exit 1      # says that and dies
GET /die?code=0 ends it at once; with --stubborn SIGTERM does nothing; with --child it leaves a grandchild behind.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


def main() -> None:
    given = arguments()
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print(f"child {child.pid}", flush=True)
    if given.part:  # as engines' inner processes do: a name of its own, and no end with the first one's
        argv = [given.part, "-c", "import time; time.sleep(600)"]
        print(f"part {subprocess.Popen(argv, executable=sys.executable).pid}", flush=True)
    for number in range(given.progress):
        print(f"milestone {number}", flush=True)
    if given.log:
        print(given.log.read_text(), file=sys.stderr, flush=True)
    if given.exit is not None:
        sys.exit(given.exit)
    if given.silent:
        time.sleep(600)
    server = ThreadingHTTPServer(("127.0.0.1", given.port), handler(given))
    server.daemon_threads = True
    if given.say_ready:
        print("ready", flush=True)
    server.serve_forever()


def handler(given: argparse.Namespace) -> type[BaseHTTPRequestHandler]:
    asked = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal asked
            asked += 1
            url = urlsplit(self.path)
            if url.path == "/die":
                os._exit(int(parse_qs(url.query)["code"][0]))
            if url.path == "/metrics" and given.metrics:
                return self.say(200, given.metrics.read_bytes(), "text/plain; version=0.0.4")
            if url.path == "/v1/models":
                models = [{"id": given.model}] if asked > given.empty_models else []
                return self.say(200, json.dumps({"object": "list", "data": models}).encode())
            return self.say(404, b'{"detail":"Not Found"}')

        def do_POST(self) -> None:
            asked_for = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if given.no_template and "messages" in asked_for:
                return self.say(400, b'{"error":{"message":"the tokenizer has no chat template"}}')
            if given.refuse:
                return self.say(500, b"Internal Server Error", "text/plain")
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            if given.error_in_stream:
                return self.event({"error": {"message": "EngineCore encountered an issue", "code": 500}})
            tokens = asked_for["max_tokens"]
            for number in range(0 if given.no_tokens else tokens):
                time.sleep(given.token_s)
                reason = "length" if number == tokens - 1 else None
                self.event({"choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": reason}]})
            usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
            self.event({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")
            return None

        def event(self, value: dict[str, Any]) -> None:
            self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")

        def say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            """Quiet."""

    return Handler


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--metrics", type=Path)
    parser.add_argument("--progress", type=int, default=0)
    parser.add_argument("--exit", type=int)
    parser.add_argument("--part", help="run an inner process that is called so")
    parser.add_argument("--empty-models", type=int, default=0, help="so many times /v1/models lists none")
    parser.add_argument("--token-s", type=float, default=0.0)
    for flag in (
        "--stubborn",
        "--child",
        "--silent",
        "--refuse",
        "--error-in-stream",
        "--say-ready",
        "--no-template",
        "--no-tokens",
    ):
        parser.add_argument(flag, action="store_true")
    return parser.parse_known_args()[0]  # a real engine's flags may stand beside ours


if __name__ == "__main__":
    main()
