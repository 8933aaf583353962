"""The command line as long as somebody attends: it ends when its standard input does.

A server that is killed cannot end its jobs; the system closes its end of the pipe all the same.
"""

import os
import runpy
import signal
import threading
import time

PATIENCE = 3.0


def end_with_input() -> None:
    """Wait for the end of the standard input, then end the whole process group."""
    while os.read(0, 1024):
        pass
    # As the server would: first so that what is half written is removed, then for certain.
    for number in (signal.SIGINT, signal.SIGKILL):
        os.killpg(os.getpgid(0), number)
        time.sleep(PATIENCE)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, name="attended", daemon=True).start()
    runpy.run_module("policyscope", run_name="__main__", alter_sys=True)
