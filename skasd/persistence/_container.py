"""The file: a zip archive of JSON, .npy arrays and tensors, with checksums."""

import hashlib
import io
import json
import os
import re
import stat
import zipfile
from importlib import metadata
from platform import python_version

from .._whole_file import whole_file

FORMAT = "skasd model"
FORMAT_VERSION = 2  # of what is written
_READ = (1, 2)
MANIFEST, STRUCTURE, TENSORS = "manifest.json", "structure.json", "tensors.safetensors"
_ARRAY = re.compile(r"arrays/(\d{1,9})\.npy")
_LIBRARIES = ("scikit-learn", "imbalanced-learn", "numpy", "scipy", "torch", "skorch")


class ModelFileError(ValueError):
    """A file is not, or no longer, a model file that this version of skasd can read."""

    __module__ = "skasd.persistence"


def write(path, title, structure, arrays, tensors):
    """Write a model file atomically, in place of an earlier one.

    ``title`` is the class name of its content, ``structure`` a JSON value, ``arrays`` are .npy files.
    """
    members = {STRUCTURE: json.dumps(structure, allow_nan=False, indent=1).encode("ascii")}
    members |= {f"arrays/{i}.npy": content for i, content in enumerate(arrays)}
    if tensors:
        import safetensors.torch

        members[TENSORS] = safetensors.torch.save(tensors)
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "estimator": title,
        "versions": installed_versions(),
        "members": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        },
    }
    members = {MANIFEST: json.dumps(manifest, indent=1).encode("ascii"), **members}

    with whole_file(path) as name, zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            # no time and no file mode, so that the same model gives the same bytes
            archive.writestr(zipfile.ZipInfo(member), content)


def read(path):
    """Return manifest, structure (a JSON value), arrays (.npy files by number) and tensors of a model file, checked."""
    if os.path.isdir(path):
        raise ModelFileError(f"{path!r} is a folder: give the file that skasd.save wrote.")
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening or reading it could block forever
        raise ModelFileError(f"{path!r} is a pipe or device: give the file that skasd.save wrote.")
    with open(path, "rb") as file:
        content = file.read()
    try:
        return _unpack(content)
    except _Unfit as error:
        raise ModelFileError(f"{path!r} cannot be loaded: {error}") from None
    except Exception as error:  # whatever the parsers raise, the file is at fault
        raise ModelFileError(
            f"{path!r} cannot be loaded: it is damaged, incomplete or foreign ({type(error).__name__}: {error}). "
            "Copy or save it again."
        ) from error


class _Unfit(ValueError):
    """A fault of the file, in words for the user."""


def _unpack(content):
    if not content:
        raise _Unfit("the file is empty.")
    if not content.startswith(b"PK\3\4"):
        raise _Unfit(f"it is no model file of skasd.save{_likeness(content)}.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if MANIFEST not in names:
            raise _Unfit("it is a zip archive, but no model file of skasd.save (as files of torch.save are).")
        # nothing is compressed, so that no more is read than the size of the file
        sizes = [info.file_size for info in infos]
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos) or sum(sizes) > len(content):
            raise _Unfit("it was not written by skasd.save, or changed since: parts of it are compressed.")
        if len(set(names)) < len(names):
            raise _Unfit("it was not written by skasd.save, or changed since: parts have the same name.")
        manifest = json.loads(archive.read(MANIFEST))
        _check_format(manifest)
        if set(names) != {MANIFEST, *manifest["members"]}:
            raise _Unfit("it is damaged: parts are missing or were added. Copy or save it again.")
        members = {name: archive.read(name) for name in manifest["members"]}
    for name, content in members.items():
        known = manifest["members"][name]
        if len(content) != known["size"] or hashlib.sha256(content).hexdigest() != known["sha256"]:
            raise _Unfit(f"it is damaged: {name} in it does not have its checksum. Copy or save it again.")
    structure = json.loads(members.pop(STRUCTURE), parse_constant=_no_constant)
    tensors = {}
    if TENSORS in members:
        import safetensors.torch

        tensors = safetensors.torch.load(members.pop(TENSORS))
    arrays = {int(_ARRAY.fullmatch(name)[1]): content for name, content in members.items()}
    if set(arrays) != set(range(len(arrays))):
        raise _Unfit("it was not written by skasd.save, or changed since: its arrays are not numbered.")
    return manifest, structure, arrays, tensors


def _check_format(manifest):
    known = isinstance(manifest, dict) and isinstance(manifest.get("versions"), dict)
    if not known or manifest.get("format") != FORMAT:
        raise _Unfit("it is no model file of skasd.save.")
    version = manifest.get("format_version")
    if version not in _READ:
        raise _Unfit(
            f"it has version {version!r} of the format, and skasd {installed_versions()['skasd']} reads versions "
            f"{' and '.join(map(str, _READ))}: load it with the version of skasd that wrote it "
            f"({manifest['versions'].get('skasd')!r}), or a later one."
        )


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _likeness(content):
    if content[:1] == b"\x80":
        return " but looks like a pickle (of joblib.dump or pickle.dump), which would run code while loading"
    return ""


def installed_versions():
    """Return the versions of Python and of the distributions that matter for a model, by name."""
    from .. import __version__

    versions = {"skasd": __version__, "python": python_version()}
    return versions | {name: metadata.version(name) for name in _LIBRARIES}
