"""Stands where vLLM does, on several nodes: it meets its other parts over TCP as vLLM's ranks do, says so in vLLM's
words, runs an inner process, serves at its head, and ends when one that it has met ends.

python stand_in_engine.py -m vllm... serve MODEL --nnodes 2 --node-rank 0 --master-addr A --master-port P ...
`--late 1` never meets anybody on node 1; `--fails 1` dies there before it does; what else vLLM is told is not read.
"""

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from launch import fake_engine


def main() -> None:
    given = arguments()
    print(f"non-default args: node {given.node_rank}, GPUs {os.environ.get('CUDA_VISIBLE_DEVICES')}", flush=True)
    if given.node_rank == given.late:
        time.sleep(600)
    if given.node_rank == given.fails:
        print("RuntimeError: the stand-in was told to fail", flush=True)
        sys.exit(1)
    print(f"world_size=2 distributed_init_method=tcp://{given.master_addr}:{given.master_port}", flush=True)
    met = meet(given)
    print(f"rank {given.node_rank} in world size {given.nnodes} is assigned as DP rank 0", flush=True)
    name = f"VLLM::Worker_TP{given.node_rank}"
    worker = subprocess.Popen([name, "-c", "import time; time.sleep(600)"], executable=sys.executable)
    for one in met:
        threading.Thread(target=end_with, args=(one, worker), daemon=True).start()
    if given.headless:
        worker.wait()
        print(f"Worker proc {name} died unexpectedly", flush=True)
        sys.exit(1)
    behaviour = argparse.Namespace(
        metrics=None, model=given.served_model_name, empty_models=0, no_template=False, refuse=False,
        error_in_stream=False, no_tokens=False, token_s=0.005,
    )  # fmt: skip
    server = ThreadingHTTPServer((given.host, given.port), fake_engine.handler(behaviour))
    server.daemon_threads = True
    server.serve_forever()


def meet(given: argparse.Namespace) -> list[socket.socket]:
    """The head waits for all, the others for it."""
    place = (given.master_addr, given.master_port)
    if given.node_rank == 0:
        with socket.create_server(place) as door:
            return [door.accept()[0] for _ in range(given.nnodes - 1)]
    while True:
        try:
            return [socket.create_connection(place)]
        except ConnectionRefusedError:
            time.sleep(0.05)


def end_with(one: socket.socket, worker: "subprocess.Popen[bytes]") -> None:
    """As a collective call fails whose other end is gone."""
    one.recv(1)
    print("RuntimeError: Connection closed by peer", flush=True)
    worker.kill()
    os._exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--served-model-name")
    parser.add_argument("--nnodes", type=int)
    parser.add_argument("--node-rank", type=int)
    parser.add_argument("--master-addr")
    parser.add_argument("--master-port", type=int)
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--late", type=int)
    parser.add_argument("--fails", type=int)
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    main()
