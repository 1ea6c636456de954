"""Every imaxproxy command that stands in deploy/ is one that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from deploy.files import DEPLOY
from imaxproxy.cli.main import cli

_VARIABLE = re.compile(r"\$\{?#?(\w+)(?:\[@\])?(?::-([^}]*))?\}?")
"""Of compose and shells: their default stands in for them, else a word."""
_MORE_FLAGS = re.compile(r'"\$@"|"\$\{\w+\[@\]\}"')
"""What a user may add to a script's command."""
_STAND_IN = {"STATE_DIRECTORY": "state", "INVOCATION_ID": "id", "RATE": "5", "nodes": "4"}


def _plain(text: str) -> str:
    return _VARIABLE.sub(lambda found: found[2] or _STAND_IN.get(found[1], "word"), text)


def _of_compose(path: Path) -> Iterator[list[str]]:
    for name, service in yaml.safe_load(path.read_text())["services"].items():
        if name == "proxy":
            yield shlex.split(_plain(service["command"]))


def _of_kubernetes(path: Path) -> Iterator[list[str]]:
    for document in yaml.safe_load_all(path.read_text()):
        pod = document["spec"].get("template", {}).get("spec", {})
        if "entrypoint" in document["spec"]:
            yield shlex.split(_plain(document["spec"]["entrypoint"]))[1:]
        for container in pod.get("initContainers", []) + pod.get("containers", []):
            if container["image"].startswith("imaxproxy"):
                yield [_plain(each) for each in container["args"]]


def _of_text(path: Path) -> Iterator[list[str]]:
    """Systemd units and scripts: lines that begin with the command."""
    for line in path.read_text().splitlines():
        found = re.match(r"""(?:\s*|ExecStart=\S*/|#\s+ray exec .*')imaxproxy (.*?)(?: &|')?$""", line)
        if found:
            words = _MORE_FLAGS.sub("", found[1]).replace("$IMAXPROXY_ARGS", "--upstream http://h:1")
            yield shlex.split(_plain(words))


def commands() -> Iterator[tuple[str, list[str]]]:
    kinds = (
        ("docker/compose*.yaml", _of_compose),
        ("kubernetes/*.yaml", _of_kubernetes),
        ("ray/rayjob.yaml", _of_kubernetes),
    )
    texts = (("systemd/*.service", _of_text), ("slurm/*.sbatch", _of_text), ("ray/cluster.yaml", _of_text))
    for pattern, read in kinds + texts:
        for path in sorted(DEPLOY.glob(pattern)):
            for argv in read(path):
                yield str(path.relative_to(DEPLOY)), argv


@pytest.mark.parametrize(("where", "argv"), list(commands()))
def test_a_command_is_one_that_there_is(
    where: str, argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsed, not run. A file that a command reads is given one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word").write_text("")
    argv = [str(tmp_path / "word") if each == "/etc/imaxproxy/keys" else each for each in argv]
    argv = [f"--keys={tmp_path / 'word'}" if each.startswith("--keys=") else each for each in argv]
    context = click.Context(cli)
    group: click.Command | None = cli
    while isinstance(group, click.Group):
        name = argv.pop(0)
        group = group.get_command(context, name)
        assert group is not None, f"{where}: no command {name}"
    group.make_context(group.name, argv, parent=context)


def test_what_comes_back_finds_no_run_of_its_own() -> None:
    """A container that is started again on the same volume would be refused a run directory that is there."""
    for where, argv in commands():
        if argv[0] == "serve" and not where.startswith("systemd"):  # there a start has an id
            assert not any(word.startswith("--out") for word in argv), where


def test_all_kinds_are_found() -> None:
    assert {where.split("/")[0] for where, _ in commands()} == {"docker", "kubernetes", "systemd", "slurm", "ray"}
