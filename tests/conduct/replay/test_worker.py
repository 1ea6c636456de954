import subprocess
import sys

WORKER = [sys.executable, "-m", "imaxproxy.conduct.replay.worker"]


def test_without_settings_it_ends_without_a_word() -> None:
    """The command gave up before it began."""
    done = subprocess.run(WORKER, input=b"", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
