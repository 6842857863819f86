"""Model files whose checksums are right and whose content is forged."""

import copy
import hashlib
import io
import json
import zipfile

import numpy as np

_NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    255,
    10**6,
    2**31 - 1,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    1.5,
    -0.0,
    1e300,
)
_OTHERS = (None, True, False, "", "a", "os.system", "<U1000000000", [], {}, {"type": "float", "value": "nan"})
_DTYPES = ("<f8", "<f4", "<i8", "<i4", "|u1", "|b1", "<U1", "|S8", "<c16", "<M8[s]", "|V8")


def unpacked(content):
    """Return the parts of a model file by name: the structure as objects, arrays as arrays, the rest as bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["structure.json"] = json.loads(parts["structure.json"])
    parts["manifest.json"] = json.loads(parts["manifest.json"])
    for name in parts:
        if name.endswith(".npy"):
            parts[name] = np.load(io.BytesIO(parts[name]), allow_pickle=False)
    return parts


def packed(parts, compression=zipfile.ZIP_STORED):
    """Return the model file of such parts, with checksums that are right."""
    parts = dict(parts)
    manifest = copy.deepcopy(parts.pop("manifest.json"))
    content = {}
    for name, part in parts.items():
        if isinstance(part, np.ndarray):
            stream = io.BytesIO()
            np.save(stream, part, allow_pickle=False)
            part = stream.getvalue()
        content[name] = part if isinstance(part, bytes) else json.dumps(part).encode()
    manifest["members"] = {
        name: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()}
        for name, part in content.items()
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, part in content.items():
            archive.writestr(name, part)
    return stream.getvalue()


def forged(parts, rng):
    """Return a copy of the parts of a model file with one or two lies in it, and what they are, in words.

    Parameters
    ----------
    parts : dict
        As of `unpacked`; not changed.

    rng : numpy.random.Generator

    Returns
    -------
    parts : dict

    lies : str
    """
    parts = {**parts, "structure.json": copy.deepcopy(parts["structure.json"])}
    lies = [_forge(parts, rng) for _ in range(int(rng.integers(1, 3)))]
    return parts, "; ".join(lies)


def _forge(parts, rng):
    arrays = [name for name in parts if name.endswith(".npy") and isinstance(parts[name], np.ndarray)]
    places = list(_places(parts["structure.json"]))
    if arrays and rng.random() < 0.4:
        name = arrays[rng.integers(len(arrays))]
        parts[name], lie = _forged_array(parts[name], rng)
        return f"{name}: {lie}"
    if not places:
        return "nothing"
    holder, key, where = places[rng.integers(len(places))]
    if rng.random() < 0.2 and key != "type":  # another value of the same file
        other, other_key, other_where = places[rng.integers(len(places))]
        holder[key] = copy.deepcopy(other[other_key])
        return f"{where} is {other_where}"
    if rng.random() < 0.1:
        del holder[key]
        return f"{where} is missing"
    pool = _NUMBERS if isinstance(holder[key], (int, float)) and rng.random() < 0.8 else _OTHERS
    holder[key] = copy.deepcopy(pool[rng.integers(len(pool))])
    return f"{where} = {holder[key]!r}"


def _places(node, where=""):
    """Yield every (dict or list, key, place in words) below a JSON value."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key, f"{where}/{key}"
        yield from _places(value, f"{where}/{key}")


def _forged_array(array, rng):
    change = str(
        rng.choice(["values", "values", "values", "shape", "shorter", "longer", "dtype", "empty", "axis"])
    )
    if change == "values" and array.size:
        array = array.copy()
        flat = array.reshape(-1)
        if array.dtype.names:
            flat = flat[str(rng.choice(array.dtype.names))]
        for place in rng.integers(flat.size, size=3):
            with np.errstate(all="ignore"):
                value = _NUMBERS[rng.integers(len(_NUMBERS))] if flat.dtype.kind in "iuf" else flat[0]
                if flat.dtype.kind in "iu":
                    value = (
                        np.array(int(value) % 2 ** (8 * flat.dtype.itemsize), dtype=object)
                        .astype(f"u{flat.dtype.itemsize}")
                        .view(flat.dtype)
                    )
                elif rng.random() < 0.3 and flat.dtype.kind == "f":
                    value = np.nan
                flat[place] = value
    elif change == "shape":
        array = array.reshape(-1)
    elif change == "shorter":
        array = array.reshape(-1)[: array.size // 2] if array.ndim < 2 else array[: max(1, len(array) // 2)]
    elif change == "longer":
        array = np.concatenate([array, array]) if array.ndim else np.stack([array, array])
    elif change == "dtype" and not array.dtype.names:
        with np.errstate(all="ignore"):
            dtype = str(rng.choice(_DTYPES))
            array = np.zeros(array.shape, dtype=dtype)
    elif change == "empty":
        array = array.reshape(-1)[:0]
    elif change == "axis":
        array = array[..., None]
    return np.ascontiguousarray(array), f"{change}, {array.dtype} {array.shape}"
