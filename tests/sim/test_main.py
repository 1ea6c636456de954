import subprocess
import sys

_BREAKS = "from imaxproxy.sim.__main__ import _ring; _ring(lambda: 1 / 0); print('goes on')"


def test_an_engine_whose_step_breaks_ends_and_says_why() -> None:
    """It would keep all streams waiting."""
    done = subprocess.run([sys.executable, "-c", _BREAKS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (70, "")
    assert "ZeroDivisionError" in done.stderr
