"""An actor's process ends with its raylet: seen with Ray 2.60, one that was being ended as its raylet died stayed."""

import os
import threading
import time

_EVERY_S = 1.0


def end_when_orphaned() -> None:
    """From now on, end this process when its parent is another one than now."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_EVERY_S)
        os._exit(1)  # nobody is left to hear of it; its children end as their pipes close

    threading.Thread(target=watch, daemon=True).start()
