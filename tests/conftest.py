"""Fixtures shared by all tests."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard():
    """Undo what shells do to jobs in the background, whose children would ignore SIGINT as well."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data():
    """Return a function ``real_data(name) -> Path`` of a folder of real recordings, or skip the test.

    The folder is looked for in ``$SKASD_DATA``, else in ``shared/data`` beside the checkout.
    """
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

    def folder(name):
        path = root / name
        if not path.is_dir():
            pytest.skip(f"real recordings not present: no folder {name!r} in {root} (set SKASD_DATA)")
        return path

    return folder


@dataclass
class Finished:
    """What a command left in a terminal: its exit code, and both streams as text with plain line ends."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def in_terminal():
    """Return a function that runs a command in a terminal of 80 columns.

    ``in_terminal(arguments, stdout="terminal", interrupt_at=None, **options) -> Finished``: standard error, and
    standard output unless it is to be a "pipe", are terminals, one each, so that they can be told apart. With
    `interrupt_at` the process gets SIGINT, as by Ctrl-C, once that text stands on standard error. `options` are those
    of ``Popen``.
    """
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals on this system")
    termios = pytest.importorskip("termios")

    def run(arguments, stdout="terminal", interrupt_at=None, **options):
        def terminal():
            ours, its = pty.openpty()
            termios.tcsetwinsize(its, (24, 80))
            return ours, its

        ends = {"stdout": os.pipe() if stdout == "pipe" else terminal(), "stderr": terminal()}
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **{name: its for name, (_, its) in ends.items()},
            **options,
        )
        read = {name: bytearray() for name in ends}

        def follow(name, descriptor):
            interrupted = interrupt_at is None or name != "stderr"
            while chunk := _read(descriptor):
                read[name] += chunk
                if not interrupted and interrupt_at.encode() in read[name]:
                    interrupted = True
                    process.send_signal(signal.SIGINT)
            os.close(descriptor)

        threads = [Thread(target=follow, args=(name, ours)) for name, (ours, _) in ends.items()]
        for thread in threads:
            thread.start()
        for _, its in ends.values():
            os.close(its)
        try:
            code = process.wait(timeout=300)
        finally:
            process.kill()
            for thread in threads:
                thread.join()
        texts = (read[name].decode().replace("\r\n", "\n") for name in ("stdout", "stderr"))
        return Finished(code, *texts)

    return run


def _read(descriptor):
    """Return what has come, nothing at the end."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # so ends a terminal that nobody writes to any more
        return b""
