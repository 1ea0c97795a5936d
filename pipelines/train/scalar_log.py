"""TensorBoard's log of an epoch's numbers: each is in the file before the next is written.

torch's SummaryWriter writes in a thread of its own, which shows a traceback where the disk is full, and loses
what it holds where the process is killed. Here a record is written whole or the disk's refusal is raised.
"""

from __future__ import annotations

import io
import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from summer.durable import explained_disk_errors

FORMAT = "brain.Event:2"  # what TensorBoard looks for in the first record


class ScalarLog:
    """One file of numbers by epoch, in a folder that TensorBoard takes for a run.

    Raises:
        DiskError: the disk is full or refuses.
    """

    def __init__(self, folder: Path) -> None:
        place = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / f"events.out.tfevents.{place}"
        with explained_disk_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        self._append(Event(wall_time=time.time(), file_version=FORMAT))

    def add(self, name: str, number: float, *, epoch: int) -> None:
        """Write one number.

        Raises:
            DiskError: the disk is full or refuses.
        """
        value = Summary.Value(tag=name, simple_value=number)
        self._append(Event(wall_time=time.time(), step=epoch, summary=Summary(value=[value])))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _append(self, event: Event) -> None:
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        left = memoryview(record.getvalue())
        with explained_disk_errors(self._path):
            while left:  # a disk that fills up takes a part, and refuses the rest when it is asked again
                left = left[self._file.write(left) :]
