import os
import signal
import subprocess
import sys

SCRIPT = """
import os, sys, time
from imaxproxy.cluster.orphan import end_when_orphaned
if os.fork():
    time.sleep(60)
end_when_orphaned()
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_process_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        assert parent.stdout.read() == ""  # it closes when the child has ended, too
        os.close(child)
