"""Images built from the repository's Dockerfiles, on bases made here: no registry is asked.

Debian's own Python in a folder of its own stands in for `python:3.13-slim` (which is Debian, too) and `rayproject/ray`.
"""

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.files import DEPLOY

TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Images:
    """What buildah has built, in a store of its own."""

    folder: Path

    def make_debian(self, *packages: str) -> None:
        """Debian 13 with these packages: a working container named `debian`."""
        _say("mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", "trixie", self.folder / "debian.tar")
        self.buildah("from", "--name", "debian", "scratch")
        self.buildah("add", "--quiet", "debian", self.folder / "debian.tar", "/")
        (self.folder / "debian.tar").unlink()
        self.buildah("copy", "--quiet", "debian", _CERTIFICATES, _CERTIFICATES)  # a registry may be reached by a proxy
        self.buildah("config", "--env", f"PIP_CERT={_CERTIFICATES}", "--env", f"PATH={_PATH}", "debian")

    def name_base(self, name: str, script: str, *settings: str) -> None:
        """What `debian` has become by this script is what a Dockerfile's FROM means."""
        self.buildah("run", "--isolation", "chroot", "debian", "--", "sh", "-ec", script)
        self.buildah("config", *settings, "debian")
        self.buildah("commit", "--quiet", "debian", f"docker.io/{name}")

    def build(self, dockerfile: str, tag: str) -> None:
        """As `docker build -f` does, from the repository's root."""
        options = ("--isolation", "chroot", "--pull-never", "--file", DEPLOY / dockerfile, "--tag", tag)
        self.buildah("build", *options, DEPLOY.parent)

    def run(self, tag: str, *argv: object, options: tuple[str, ...] = ()) -> str:
        """What a command says in a container without a network, as a hardened pod runs it."""
        closed = ("--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges")
        return _say(*self.podman, "run", "--rm", *closed, *options, tag, *argv)

    def buildah(self, *argv: object) -> str:
        return _say("buildah", *self._store, *argv)

    @property
    def podman(self) -> tuple[object, ...]:
        """The command, with this store and with limits that not only a mighty root may set."""
        settings = self.folder / "containers.conf"
        limits = [f'"{name}={most}:{most}"' for name, most in _limits().items()]
        engine = 'runtime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"'
        settings.write_text(f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n[engine]\n{engine}\n")
        return ("env", f"CONTAINERS_CONF={settings}", "podman", *self._store)

    def close(self) -> None:
        self.buildah("rm", "--all")
        shutil.rmtree(self.folder)

    @property
    def _store(self) -> tuple[str, ...]:
        return (f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'run'}", "--storage-driver=overlay")


def _say(*argv: object) -> str:
    words = [str(each) for each in argv]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def _limits() -> dict[str, int]:
    """Podman and runc would raise them, which not every root may."""
    found = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    return {name: min(4096, resource.getrlimit(which)[1]) for name, which in found.items()}


def skip_unless_possible() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(
            f"images are built by root, with {', '.join(missing) or 'buildah'} (scripts/test-deploy installs it)"
        )
