"""Joining a Ray cluster, or saying in one line why not."""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Callable
from typing import Any, Self

from imaxproxy.cluster.head import Head, reachable
from imaxproxy.cluster.nodes import Node
from imaxproxy.errors import UsageError

AUTO = "auto"


class Cluster:
    """The connection of this process to a cluster that runs, inside a `with`. It starts none."""

    def __init__(self, address: str, on_head_lost: Callable[[str], None] = lambda _: None) -> None:
        """address: `auto`, or HOST:PORT of the head.  on_head_lost: hears, once, that it is gone, and where it was.

        Raises UsageError without Ray, or for an address that is none.
        """
        self._address, self._on_head_lost = address, on_head_lost
        self._head: Head | None = None
        check_address(address)
        self.ray = import_ray()
        self._quiet = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<Cluster {self._address}>"

    def __enter__(self) -> Self:
        """Raises UsageError when no cluster answers, or it runs other versions of Ray or Python.

        Until the end, whatever is printed goes nowhere: Ray prints what it thinks of a lost node between the results.
        """
        if self._address != AUTO:
            _check_reachable(self._address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own imports and defaults
            try:
                self.ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
            except ConnectionError as error:
                raise UsageError(f"--ray {self._address}: {self._why_not()}") from error
            except RuntimeError as error:
                raise UsageError(f"--ray {self._address}: {_in_a_line(str(error))}") from error
        self._head = Head(self.ray.get_runtime_context().gcs_address, self._on_head_lost)
        self._quiet.enter_context(self._head.watched())
        self._quiet.enter_context(contextlib.redirect_stdout(self._quiet.enter_context(open(os.devnull, "w"))))
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(Exception):  # the cluster may be gone by now; nothing of ours is left in it
            self.ray.shutdown()
        self._quiet.close()

    @property
    def head_is_lost(self) -> bool:
        """Nothing can be asked of the cluster any more. Actors answer until their raylets give up, too: a minute."""
        return self._head is not None and self._head.is_lost

    def _why_not(self) -> str:
        """What it means that nobody answered as a cluster does."""
        if self._address == AUTO:
            return (
                "no Ray cluster runs here: start one (`ray start --head`, and `ray start --address HEAD:6379` on each "
                "other node), or give the head's HOST:PORT"
            )
        return (
            f"who listens there is no head of a cluster that Ray {self.ray.__version__} can join: give the head's "
            "HOST:PORT, and have the same version of Ray here (`ray --version`) as there"
        )

    def nodes(self) -> list[Node]:
        """Those that are alive, by address and name."""
        rows = [row for row in self.ray.nodes() if row["Alive"]]
        found = [
            Node(
                row["NodeID"],
                row["NodeManagerAddress"],
                row["NodeManagerHostname"],
                row["Resources"].get("CPU", 0.0),
                row["Resources"].get("GPU", 0.0),
            )
            for row in rows
        ]
        return sorted(found, key=lambda node: (node.address, node.host, node.node_id))


def check_address(address: str) -> None:
    """Raises UsageError for what names no cluster's head."""
    if address == AUTO:
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"--ray {address}: that is Ray Client, whose calls go through a proxy: run the command inside the cluster "
            "(`ray job submit -- imaxproxy ... --ray auto`), or give the head's HOST:PORT"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"--ray {address}: give auto, or the head's HOST:PORT, such as 10.0.0.1:6379")


def import_ray() -> Any:  # noqa: ANN401 (a library that may not be there)
    """Raises UsageError where it is not installed."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as it will be; Ray warns of the change at length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import ray
        except ImportError as error:
            raise UsageError("--ray needs Ray: pip install 'imaxproxy[ray]', on every node") from error
    return ray


def _check_reachable(address: str) -> None:
    """Ray itself tries for a minute, and then ends the process."""
    if (error := reachable(address)) is not None:
        raise UsageError(
            f"--ray {address}: nobody listens there ({error.strerror or error}): give the address of a cluster's head, "
            "as `ray start --head` printed it"
        ) from error


def _in_a_line(text: str) -> str:
    """Ray's complaint about versions, shortened to what differs."""
    found = re.findall(r"(Ray|Python): (\S+)", text)
    if "mismatch" in text and len(found) == 4:
        (_, cluster_ray), (_, cluster_python), (_, our_ray), (_, our_python) = found
        return (
            f"the cluster runs Ray {cluster_ray} on Python {cluster_python}, and this is Ray {our_ray} on Python "
            f"{our_python}: use the same on all nodes"
        )
    return " ".join(text.split())[:300]
