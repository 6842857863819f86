"""Files that are written whole or not at all."""

import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress


@contextmanager
def whole_file(path):
    """Yield the name of a file to write, which replaces the wanted file once it is complete.

    If anything goes wrong meanwhile, such as a full disk or an interrupt, the previous file is kept and nothing else is
    left.

    Parameters
    ----------
    path : path-like
        The file wanted. Of a link the target is replaced. What is no plain file, as ``/dev/stdout``, is written to
        itself.

    Yields
    ------
    str
        Name of a file in the same folder, which does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skasd._whole_file import whole_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     wanted = Path(folder, "scores.csv")
    ...     with whole_file(wanted) as name:
    ...         _ = Path(name).write_text("path,anomaly_score")
    ...         print(wanted.exists())
    ...     print(wanted.read_text())
    False
    path,anomaly_score
    """
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        yield path
        return
    # a short name of its own: one made of the file's might be too long
    part = os.path.join(os.path.dirname(path), f".skasd-{secrets.token_hex(8)}.part")
    try:
        yield part
        with open(part, "rb+") as file:  # the content is to be on disk before the name leads to it
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, part)
        os.replace(part, path)
    except OSError as error:
        if error.filename is None and error.strerror is not None:  # as of a full disk
            raise OSError(error.errno, error.strerror, path) from error
        raise
    finally:
        with suppress(FileNotFoundError):
            os.remove(part)


def check_output(path, is_folder=False):
    """Make the folder of an output, or the output itself if it is a folder; raise OSError if it cannot be written."""
    path = os.path.realpath(path)
    if os.path.isdir(path) and not is_folder:
        raise IsADirectoryError(f"{path!r} is a folder: give the name of a file in it.")
    if os.path.exists(path) and not is_folder and not os.path.isfile(path):
        return
    folder = path if is_folder else os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"{path!r} cannot be written: {error.strerror or error}.") from error
