"""Model files of skasd and of skops.io side by side: what comes back, bytes, seconds, and what hostile files do.

    pip install skops==0.16.0
    PYTHONPATH=. python benchmarks/model_files.py

skops gets what it can be given: `trusted` holds the names in a file that skasd's own allow-list lets through, and
embedders hand out their weights as arrays by ``__getstate__``. Every hostile file is loaded and scored in a process of
its own with 4 GiB of address space, for some of them end it.
"""

import argparse
import builtins
import io
import json
import multiprocessing
import resource
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import skops.io
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KDTree
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from skasd import LOFScorer, augment, compose, embedders, features, scorers
from skasd.embedders import MFNEmbedder
from skasd.persistence import load, save
from skasd.persistence._allowed import NotAllowed, find_class, find_function

X = np.random.default_rng(0).normal(size=(60, 4))
SERVER = multiprocessing.get_context("forkserver")


def pairs(value):
    """Return dicts as lists of pairs: skops keeps dicts with keys of JSON alone."""
    if isinstance(value, dict):
        return {"pairs": [[key, pairs(item)] for key, item in value.items()]}
    return value


def unpaired(value):
    """Undo `pairs`."""
    if isinstance(value, dict) and value.keys() == {"pairs"}:
        return {key: unpaired(item) for key, item in value["pairs"]}
    return value


def getstate(self):
    """Return parameters and fitted attributes; of the net its weights as arrays."""
    state = dict(vars(self))
    if "net_" in state:
        for name in ("net_", "embedding_network_", "device_"):
            state.pop(name, None)
        net = self._net_state()
        state["net_weights"] = {name: value.numpy() for name, value in net["weights"].items()}
        state["net_history"] = net["history"]
    return {name: pairs(value) for name, value in state.items()}


def setstate(self, state):
    """Take parameters, attributes and weights back."""
    import torch

    state = {name: unpaired(value) for name, value in state.items()}
    weights, history = state.pop("net_weights", None), state.pop("net_history", None)
    vars(self).update(state)
    if weights is not None:
        self._set_net_state(
            {"weights": {k: torch.from_numpy(v) for k, v in weights.items()}, "history": history}
        )


for room in (augment, compose, embedders, features, scorers):
    for cls in vars(room).values():
        if isinstance(cls, type) and issubclass(cls, BaseEstimator):
            cls.__getstate__, cls.__setstate__ = getstate, setstate  # type: ignore[attr-defined]


def allowed(name):
    """Return whether skasd's allow-list has a name of skops, or it is one that scikit-learn's trees need."""
    for find in (find_class, find_function):
        try:
            find(name)
            return True
        except NotAllowed:
            continue
    return name.startswith(
        ("sklearn.neighbors._", "sklearn.metrics._dist", "sklearn.tree._tree", "sklearn.utils._bunch")
    )


def skops_load(path):
    names = skops.io.get_untrusted_types(file=path)
    return skops.io.load(path, trusted=[name for name in names if allowed(name)])


FORMATS = {"skasd": (save, load), "skops": (lambda model, path: skops.io.dump(model, path), skops_load)}


def outcome(make):
    """Return what a function says, or in one word why it fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:90]}"


def compare(model, clips, folder):
    """Return, by format, bytes and seconds of saving and loading, or what failed."""
    found = {}
    method = "score_samples" if hasattr(model, "score_samples") else "transform"
    expected = getattr(model, method)(clips)
    for name, (write, read) in FORMATS.items():
        path = folder / name

        def there_and_back(write=write, read=read, path=path):
            times = []
            for _ in range(3):
                start = time.perf_counter()
                write(model, path)
                middle = time.perf_counter()
                again = read(path)
                times.append((middle - start, time.perf_counter() - middle))
            if not np.array_equal(getattr(again, method)(clips), expected, equal_nan=True):
                raise ValueError("other scores")
            return (path.stat().st_size, *np.median(times, axis=0))

        found[name] = outcome(there_and_back)
    return found


def round_trips():
    """Print what comes back of every estimator, and of systems."""
    from tests.persistence.test_estimators import ESTIMATORS, clips_for, unfitted

    problems, sums = Counter(), {name: np.zeros(3) for name in FORMATS}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        labels = LOFScorer().fit(X, domain=["source"] * 50 + ["target"] * 10)
        models = [
            (name, unfitted(name), None) for name in ESTIMATORS if name != "RecordingConditions"
        ]  # no output
        models += [("LOFScorer with domains", labels, X), ("IsolationForest", IsolationForest().fit(X), X)]
        models += [("OneClassSVM", OneClassSVM().fit(X), X)]
        for name, model, clips in models:
            if clips is None:
                clips = clips_for(model)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(clips, section=["a", ("b", 1)] * (len(clips) // 2)) if name in (
                        "PerSection",
                        "MFNEmbedder",
                    ) else model.fit(clips)
            found = compare(model, clips, folder)
            good = all(isinstance(value, tuple) for value in found.values())
            for kind, value in found.items():
                if isinstance(value, str):
                    problems[kind] += 1
                    print(f"  {name}, {kind}: {value}")
                elif good:
                    sums[kind] += value
        large = MFNEmbedder(max_epochs=0, random_state=0).fit(
            np.random.default_rng(0).normal(size=(10, 128, 64)).astype(np.float32)
        )
        print("one MFNEmbedder:", compare(large, np.zeros((2, 128, 64), np.float32), folder))
    print(
        f"{len(models)} estimators; not back: {dict(problems)}; sums of bytes, seconds to save and to load:"
    )
    for kind, (size, saving, loading) in sums.items():
        print(f"  {kind}: {size / 1e6:.2f} MB, {saving:.2f} s, {loading:.2f} s")


# --- hostile files -------------------------------------------------------------------------------------------------


def parts(path):
    """Return the structure of a file and its other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = "structure.json" if "structure.json" in members else "schema.json"
    return name, json.loads(members.pop(name)), members


def repack(path, name, structure, members, compression=zipfile.ZIP_STORED):
    """Write a file with another structure or other members; checksums are made right."""
    import hashlib

    members = {**members, name: json.dumps(structure).encode()}
    if "manifest.json" in members:
        manifest = json.loads(members.pop("manifest.json"))
        manifest["members"] = {
            key: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for key, part in members.items()
        }
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for key, part in members.items():
            archive.writestr(key, part)


def nodes(node):
    """Yield every JSON object of a structure."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def change_arrays(change):
    """Return a forger that changes every array that `change` does not return as None."""

    def forge(path, target):
        name, structure, members = parts(path)
        for key, content in members.items():
            if key.endswith(".npy") and (new := change(np.load(io.BytesIO(content)))) is not None:
                buffer = io.BytesIO()
                np.save(buffer, new)
                members[key] = buffer.getvalue()
        repack(target, name, structure, members)

    return forge


def change_bytes(old, new):
    """Return a forger that replaces bytes in arrays."""

    def forge(path, target):
        name, structure, members = parts(path)
        members = {
            key: part.replace(old, new) if key.endswith(".npy") else part for key, part in members.items()
        }
        repack(target, name, structure, members)

    return forge


def function_instead(module, function):
    """Return a forger that puts another function in the place of that of a FunctionTransformer."""

    def forge(path, target):
        name, structure, members = parts(path)
        for node in nodes(structure):
            if node.get("__loader__") == "FunctionNode":
                node.update(__class__=function, __module__=module)
            elif node.get("type") == "function":
                node["name"] = f"{module}.{function}"
        repack(target, name, structure, members)

    return forge


def call_instead(module, function, argument):
    """Return a forger that has a function called with an argument in place of an object."""

    def forge(path, target):
        name, structure, members = parts(path)
        for node in nodes(structure):
            if node.get("__loader__") == "FunctionNode":
                text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
                text["content"] = json.dumps(argument)
                content = {
                    "__class__": "list",
                    "__module__": "builtins",
                    "__loader__": "ListNode",
                    "content": [text],
                }
                node.update(
                    __class__=function,
                    __module__=module,
                    __loader__="ConstructorFromReduceNode",
                    content=content,
                )
            elif node.get("type") == "function":
                node.update(type="object", state={}, args=[argument], **{"class": f"{module}.{function}"})
        repack(target, name, structure, members)

    return forge


def bomb(path, target):
    """Add a gigabyte of zeros, which a compressed archive holds in one megabyte, in place of an array."""
    name, structure, members = parts(path)
    key = next(key for key in members if key.endswith(".npy"))
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(1 << 20))
    header = buffer.getvalue()[:128].replace(b"(1048576,), }  ", b"(134217728,), }")
    members[key] = header + bytes(1 << 30)
    repack(target, name, structure, members, zipfile.ZIP_DEFLATED)


def deep(path, target):
    """Nest lists a hundred thousand deep."""
    name, structure, members = parts(path)
    repack(target, name, structure, members)
    with zipfile.ZipFile(target, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(name, b'{"type": "list", "items": [' * 100_000)


def threads(path, target):
    """Ask for a hundred thousand threads."""
    name, structure, members = parts(path)
    for node in nodes(structure):
        if (value := node.get("_n_threads")) is not None:
            node["_n_threads"] = {**value, "content": "100000"} if isinstance(value, dict) else 100_000
    repack(target, name, structure, members)


def flip(seed):
    """Return a forger that changes one byte."""

    def forge(path, target):
        content = bytearray(path.read_bytes())
        rng = np.random.default_rng(seed)
        content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        target.write_bytes(content)

    return forge


def wrong_children(array):
    if array.dtype.names and "left_child" in array.dtype.names:
        array["left_child"] = np.where(array["left_child"] >= 0, 10**9, -1)
        return array
    return None


def short_vectors(array):
    return array[:, :1].copy() if array.ndim == 2 and array.shape[1] == 4 else None


def wrong_indices(array):
    """Point the indices and nodes of a search tree elsewhere."""
    if array.dtype.kind == "i" and array.ndim == 1 and len(array) == 60:
        return array + 10**9
    return None


MODELS = {
    "forest": lambda: IsolationForest(n_estimators=5, random_state=0).fit(X),
    "function": lambda: make_pipeline(FunctionTransformer(np.square), LOFScorer()).fit(X),
    "printing": lambda: make_pipeline(FunctionTransformer(np.square), LOFScorer()).fit(X),
    "kmeans": lambda: KMeans(2, n_init=1, random_state=0).fit(X),
    "lof": lambda: make_pipeline(StandardScaler(), LOFScorer(n_neighbors=4)).fit(X),
    "svm": lambda: OneClassSVM().fit(X),
    "tree": lambda: FunctionTransformer(kw_args={"tree": KDTree(X)}).fit(X),
}
ATTACKS = {
    "os.system as the function of a step": ("function", function_instead("os", "system")),
    "eval as the function of a step": ("function", function_instead("builtins", "eval")),
    "numpy.fromfile as the function of a step": ("function", function_instead("numpy", "fromfile")),
    "os.system called": ("function", call_instead("os", "system", "touch ran")),
    "a trusted function called (print)": ("printing", call_instead("builtins", "print", "ran\n" * 3)),
    "array header of 80 GB": ("lof", change_bytes(b"(60, 4), }     ", b"(9999999999,),}")),
    "array of objects": ("lof", change_bytes(b"'<f8'", b"'|O' ")),
    "1 GB of zeros, compressed": ("lof", bomb),
    "nested 100,000 deep": ("lof", deep),
    "decision tree: children out of range": ("forest", change_arrays(wrong_children)),
    "support vectors of fewer columns": ("svm", change_arrays(short_vectors)),
    "search tree: indices out of range": ("tree", change_arrays(wrong_indices)),
    "KMeans with 100,000 threads": ("kmeans", threads),
}


def score(kind, path, connection):
    """Load and score a file, in a process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    said = []
    builtins.print, sink = lambda *args, **kwargs: said.append(args), builtins.print
    try:
        model = FORMATS[kind][1](path)
    except BaseException as error:
        connection.send(f"refused ({type(error).__name__})")
        return
    finally:
        builtins.print = sink
    ran = f"{said[0][0]!r} printed, " if said else ""
    try:
        if isinstance(model, FunctionTransformer):
            answer = model.kw_args["tree"].query(X, k=3)[1]
        else:
            answer = model.score_samples(X) if hasattr(model, "score_samples") else model.predict(X)
        connection.send(f"{ran}loaded, scores sum up to {np.asarray(answer, float).sum():.4g}")
    except Exception as error:
        connection.send(f"{ran}loaded, scoring raises {type(error).__name__}")


def attempt(kind, path):
    """Load and score a file in another process, and return what happened."""
    ours, theirs = SERVER.Pipe()
    process = SERVER.Process(target=score, args=(kind, path, theirs))
    process.start()
    theirs.close()
    process.join(120)
    if process.exitcode is None:
        process.kill()
        return "no answer in two minutes"
    if process.exitcode:
        return f"process ended by signal {-process.exitcode}"
    return ours.recv()


def hostile(n_flips):
    """Print what forged files do."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for title, (name, forge) in ATTACKS.items():
            row = []
            for kind, (write, _) in FORMATS.items():
                source, target = folder / "source", folder / "target"
                try:
                    write(MODELS[name](), source)
                except Exception as error:
                    row.append(f"not saved ({type(error).__name__})")
                    continue
                forge(source, target)
                row.append(attempt(kind, target))
            print(
                f"{title:45}" + " | ".join(f"{kind}: {said}" for kind, said in zip(FORMATS, row, strict=True))
            )
        flips(folder, n_flips)


def flips(folder, n_flips):
    """Print what one changed byte does."""
    model = MODELS["lof"]()
    expected = model.score_samples(X)
    for kind, (write, read) in FORMATS.items():
        counts = Counter()
        write(model, folder / "source")
        for seed in range(n_flips):
            flip(seed)(folder / "source", folder / "target")

            def said(read=read):
                again = read(folder / "target")
                if not isinstance(again, BaseEstimator):
                    return "no estimator"
                same = np.array_equal(again.score_samples(X), expected)
                return "the same model" if same else "other scores, in silence"

            counts[outcome(said).split(":")[0]] += 1
        print(f"{n_flips} files with one changed byte, {kind}: {dict(counts)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=500, help="files with one changed byte")
    arguments = parser.parse_args()
    SERVER.set_forkserver_preload(["__main__"])
    round_trips()
    hostile(arguments.flips)
