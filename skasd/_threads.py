"""Number of threads of networks and matrix products: the same wherever work runs, and given back afterwards."""

import os
import sys
import threading
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

SETTING = "SKASD_NUM_THREADS"

_LOCK = threading.RLock()
_OWN = threading.local()  # the numbers of this thread's blocks, the innermost last
_before: dict = {}  # what the process had before the first of all blocks
_n_users = 0  # threads that are in a block


def resolve_threads(n_threads):
    """Return a number of threads: as given, else as the environment says, else 1.

    Not torch's own default, which differs between a process and its workers: joblib gives these fewer threads, and
    sums are then rounded in another way. Nor all cores: several such workers on one machine wait for each other.
    """
    if n_threads is not None:
        return n_threads
    text = os.environ.get(SETTING, "1")
    if not (text.isdecimal() and int(text)):
        raise ValueError(
            f"The environment has {SETTING}={text!r}: it must be a number of threads, 1 or more."
        )
    return int(text)


@contextmanager
def fixed_threads(n_threads, blas=True):
    """Run a block with a number of threads of torch; with ``blas`` of BLAS and OpenMP too, which takes some ms.

    These numbers belong to the whole process. Where several threads are in such blocks at a time, the last to leave
    gives back what there was before the first, or the others would go on with another number; a thread that leaves
    earlier keeps the number.
    """
    global _n_users
    stack = vars(_OWN).setdefault("stack", [])
    with _LOCK:
        torch = sys.modules.get("torch")
        if not _n_users:
            _before["torch"] = torch.get_num_threads() if torch else None
            _before["limits"] = []
        limits = ThreadpoolController().limit(limits=n_threads) if blas else None
        if not stack:
            _n_users += 1
            if blas:
                _before["limits"].append(limits)
        if torch:
            torch.set_num_threads(n_threads)
        stack.append(n_threads)
    try:
        yield
    finally:
        with _LOCK:
            stack.pop()
            if stack:
                if blas:
                    limits.restore_original_limits()
                if torch:
                    torch.set_num_threads(stack[-1])
            else:
                _n_users -= 1
                if not _n_users:
                    for limits in reversed(_before.pop("limits")):
                        limits.restore_original_limits()
                    if (before := _before.pop("torch")) is not None:
                        torch.set_num_threads(before)
