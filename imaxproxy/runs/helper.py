"""`python -m imaxproxy.runs.helper`: what a helper process runs. See `helpers`."""

import os
import pickle
import signal
import sys
import traceback

from imaxproxy.errors import ImaxproxyError


def main() -> None:
    """Answer (function, arguments) with (True, value), or (False, error), until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asked: it ends us
    tasks = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    while True:
        try:
            function, arguments = pickle.load(tasks)
        except EOFError:
            return
        answer: tuple[bool, object]
        try:
            answer = True, function(*arguments)
        except Exception as error:  # whoever asked raises it
            if not isinstance(error, ImaxproxyError):
                error.add_note(traceback.format_exc())
            answer = False, error
        try:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
