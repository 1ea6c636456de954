import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command import Command
from imaxproxy import __version__
from imaxproxy.cli.main import COMMANDS


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS), ["trace", "inspect"], ["trace", "validate"]])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_there(command: Command, arguments: list[str], flag: str) -> None:
    done = command.run(*arguments, flag).check(0)
    assert done.out.startswith("Usage: ")
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "lessons"),
    [
        (
            [],
            [
                "imaxproxy serve --upstream http://",
                "imaxproxy replay trace.jsonl --url http://",
                "--simulate",
                *COMMANDS,
            ],
        ),
        (["serve"], ["imaxproxy serve --upstream http://127.0.0.1:8000", "/health", "SIGTERM", "--drain-timeout"]),
        (["replay"], ["imaxproxy replay trace.jsonl --url", "--rate 5 --duration 60", "Ctrl-C", "--skip-bad"]),
    ],
)
def test_help_teaches(command: Command, arguments: list[str], lessons: list[str]) -> None:
    out = command.run(*arguments, "--help").check(0).out
    assert [lesson for lesson in lessons if lesson not in out] == []


def test_help_loads_little() -> None:
    """It comes at once: neither a server nor an event loop, nor tables."""
    program = (
        "import sys; sys.argv = ['imaxproxy', '--help']\n"
        "from imaxproxy.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*(name for name in ('aiohttp', 'uvloop', 'rich', 'asyncio', 'openai') if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_version(command: Command) -> None:
    assert command.run("--version").check(0).out == f"imaxproxy, version {__version__}\n"


def test_no_command_shows_the_help(command: Command) -> None:
    done = command.run()
    assert done.code == 2
    assert "imaxproxy serve" in done.out


@pytest.mark.parametrize("arguments", [["sevre"], ["--wat"], ["trace", "explode", "x"], ["replay"], ["report"]])
def test_wrong_usage_is_one_line_that_says_where_to_look(command: Command, arguments: list[str]) -> None:
    assert "--help`" in command.run(*arguments).complaint()


def test_a_reader_that_has_seen_enough_gets_no_traceback(command: Command) -> None:
    running = command.start("replay", "--help")
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert running.process.wait(10) == 1  # click's own answer
    assert "Traceback" not in running.err


COMMAND = [sys.executable, "-m", "imaxproxy.cli.main", "trace", "specs"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_whoever_closed_a_stream_hears_nothing_and_that_is_all(closed: str) -> None:
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *COMMAND], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    assert bool(done.stdout) is (">&-" not in closed.replace("2>&-", ""))


def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(COMMAND, stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert done.stderr.startswith(b"imaxproxy: No space left on device")


def test_a_terminal_that_lacks_our_signs_gets_others() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    trace = Path(__file__).parents[2] / "workloads" / "mooncake_conversation.first3min.jsonl"
    command = [*COMMAND[:-1], "inspect", str(trace)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"?" in done.stdout
