"""`summer-train` as a job: it also stops when the process that began it is gone.

The parent holds the other end of standard input open and never writes to it. However the parent dies, that
end closes, and the job is asked to stop as by SIGTERM: it ends its step and keeps what it has.
"""

from __future__ import annotations

import os
import signal
import threading

STANDARD_INPUT = 0


def stop_at_the_end_of_input() -> None:
    """Wait for the other end of standard input to close, then ask this process to stop."""
    while os.read(STANDARD_INPUT, 1):  # not sys.stdin, whose lock this thread would hold when Python ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_at_the_end_of_input, daemon=True).start()
    from pipelines.train.command import main

    main()
