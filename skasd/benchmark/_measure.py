"""Wall time and peak memory of a stage."""

import sys
import time
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class Measured:
    """Context that appends a row of `step`, `stage`, seconds and peak memory to a list.

    Peak memory is the largest resident memory of the whole process, in MB, while the stage ran; stages that run at the
    same time in threads of one process include each other's memory. On Linux an earlier peak can be reset; elsewhere
    the number is the largest since the process began, and on Windows it is missing.
    """

    def __init__(self, rows, step, stage):
        self.rows = rows
        self.step = step
        self.stage = stage

    def __enter__(self):
        with suppress(OSError):  # no such file, or a container that forbids it
            _RESET.write_text("5")
        self._start = time.perf_counter()
        return self

    def __exit__(self, *failure):
        seconds = time.perf_counter() - self._start
        self.rows.append({"step": self.step, "stage": self.stage, "seconds": seconds, "peak_mb": peak_mb()})


def peak_mb():
    """Return the largest resident memory of the process in MB, since its last reset if that is possible."""
    try:
        line = next(row for row in _STATUS.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
