"""Every command that README and docs show in a block of code is taken by the command line: names, options, values."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from imaxproxy.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "workloads" / "README.md"]
OF_A_FILE = re.compile(r"does not exist|[Nn]o such file|cannot be read|is not a")
"""What a command says of files that only the reader has."""


def commands(page: Path) -> Iterator[list[str]]:
    """The words behind `imaxproxy` of each command, to the comment, pipe or redirection that ends it."""
    for line in page.read_text().replace("\\\n", " ").splitlines():
        shown = re.fullmatch(r" {4}(?:\S+=\S+ )*imaxproxy (\S.*)", line)
        if shown is None or "[" in shown[1] or "..." in shown[1]:  # a form, not a command
            continue
        yield shlex.split(re.split(r"\s+(?:#|\||>|>>|&&|&|;)(?:\s|$)", shown[1])[0])


def complaint(words: list[str]) -> str | None:
    """Why the command line does not take them; None when it does. Nothing is run."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    try:
        command.make_context("imaxproxy", list(words))
    except click.exceptions.Exit:  # --help, --version
        return None
    except click.ClickException as error:
        return None if OF_A_FILE.search(error.format_message()) else error.format_message()
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_is_shown_is_taken(page: Path) -> None:
    refused = {" ".join(words): why for words in commands(page) if (why := complaint(words)) is not None}
    assert refused == {}


def test_there_are_commands_to_look_at_and_a_wrong_one_is_refused() -> None:
    assert sum(1 for page in PAGES for _ in commands(page)) > 60
    assert complaint(["replay", "t.jsonl", "--no-such-option"]) is not None
    assert complaint(["no-such-command"]) is not None
