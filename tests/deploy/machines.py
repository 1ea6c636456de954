"""Machines made on this one: each has a network address, a hostname, processes and a disk of its own.

A machine is a set of Linux namespaces. Its disk is this machine's, with what it writes laid over it in memory; a bridge
that only they are on joins them. So daemons that expect a whole machine (sshd, slurmd, Ray's) run unchanged and side by
side, and end with it. They share cores, memory and clock.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

REPOSITORY = Path(__file__).parents[2]
VENV = Path(sys.prefix)
_NETWORK = "10.66.0"
_DISK = """
set -eu
mount --make-rprivate /
mkdir -p "$PLACE"
mount -t tmpfs disk "$PLACE"
mkdir "$PLACE/upper" "$PLACE/work" "$PLACE/root"
root="$PLACE/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" "$root"
mount --rbind /dev "$root/dev"
mount -t tmpfs shm "$root/dev/shm"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
for each in tmp run; do mount -t tmpfs -o mode=1777 "$each" "$root/$each"; done
chmod go+x "$root/root"  # a Python may lie there
for each in "$REPOSITORY" "$SHARED"; do mkdir -p "$root/$each"; mount --bind "$each" "$root/$each"; done
hostname "$NAME"
cp "$HOSTS" "$root/etc/hosts"
ip link set lo up
cd "$root"
pivot_root . mnt
umount -l /mnt
echo up
while read -r _; do :; done  # until its maker is gone; bash waits for processes that lost their parent
"""


@dataclass
class Machine:
    """One of them, up as long as it is entered."""

    name: str
    address: str
    holder: "subprocess.Popen[str]"
    log: Path  # what its services say
    services: "list[subprocess.Popen[str]]" = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Of its first process, as seen from outside."""
        return int(Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()[0])

    def serve(self, *argv: object, user: str = "root") -> None:
        """A process that ends with the machine."""
        with self.log.open("a") as log:
            self.services.append(self.start(*argv, user=user, stdout=log, stderr=log))

    def start(self, *argv: object, user: str = "root", **options: object) -> "subprocess.Popen[str]":
        """A process on it."""
        enter = ("nsenter", f"--target={self.pid}", "--net", "--uts", "--mount", "--pid", "--root", "--wd")
        home = "/root" if user == "root" else f"/home/{user}"
        plain = {"HOME": home, "USER": user, "LANG": "C.UTF-8", "PATH": f"{VENV / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}
        switch = () if user == "root" else ("runuser", f"--user={user}", "--")
        return subprocess.Popen(
            [*enter, *switch, *map(str, argv)],
            env=plain,
            text=True,
            stdin=subprocess.DEVNULL,
            **options,  # type: ignore[call-overload]
        )

    def end(self) -> None:
        """Its first process reads the end of its input, and all others end with it."""
        self.holder.communicate(timeout=30)
        for service in self.services:
            service.wait(timeout=10)

    def run(self, *argv: object, user: str = "root", timeout_s: float = 60, check: bool = True) -> str:
        """What a command on it says, both streams."""
        process = self.start(*argv, user=user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            pytest.fail(f"{self.name}: {argv[0]} ran longer than {timeout_s:g} s: {said}")
        assert process.returncode == 0 or not check, f"{self.name}: {argv}: exit {process.returncode}\n{said}"
        return str(said)


class Machines:
    """A network of them. `shared` is one folder on all, at its own path."""

    def __init__(self, names: list[str], shared: Path) -> None:
        self.shared = shared
        self._names = names
        self._stack = ExitStack()
        self._all: dict[str, Machine] = {}

    def __getitem__(self, name: str) -> Machine:
        return self._all[name]

    def __iter__(self) -> Iterator[Machine]:
        return iter(self._all.values())

    def logs(self) -> str:
        """What all services have said."""
        return "".join(f"--- {machine.name}\n{machine.log.read_text(errors='replace')}" for machine in self)

    def __enter__(self) -> Self:
        missing = [tool for tool in ("unshare", "nsenter", "ip", "pivot_root") if shutil.which(tool) is None]
        if os.geteuid() != 0 or missing:
            pytest.skip(f"machines are made by root, with {', '.join(missing) or 'namespaces'}")
        hosts = self.shared / "hosts"
        addresses = {name: f"{_NETWORK}.{number}" for number, name in enumerate(self._names, start=10)}
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for name, ip in addresses.items()))
        with self._stack:
            switch = self._make("switch", "", hosts)
            self._in_network(switch, "ip link add bridge type bridge && ip link set bridge up")
            for name, address in addresses.items():
                machine = self._make(name, address, hosts)
                self._in_network(
                    switch,
                    f"ip link add {name} type veth peer name eth0 netns {machine.pid}"
                    f" && ip link set {name} master bridge up",
                )
                self._in_network(machine, f"ip address add {address}/24 dev eth0 && ip link set eth0 up")
                self._all[name] = machine
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _make(self, name: str, address: str, hosts: Path) -> Machine:
        own = {
            "NAME": name,
            "HOSTS": str(hosts),
            "PLACE": str(self.shared / f".{name}"),
            "SHARED": str(self.shared),
            "REPOSITORY": str(REPOSITORY),
        }
        spaces = ("--net", "--uts", "--mount", "--pid", "--fork", "--kill-child")
        holder = subprocess.Popen(
            ["unshare", *spaces, "bash", "-c", _DISK],
            env=os.environ | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        machine = Machine(name, address, holder, self.shared / f"{name}.log")
        machine.log.touch()
        self._stack.callback(machine.end)
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "up\n":
            pytest.skip(f"no machines can be made here: {holder.stderr.read().strip()}")
        return machine

    @staticmethod
    def _in_network(machine: Machine, script: str) -> None:
        enter = ["nsenter", f"--net=/proc/{machine.pid}/ns/net", "sh", "-c", script]
        done = subprocess.run(enter, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no network of machines can be made here: {done.stderr.strip()}")
