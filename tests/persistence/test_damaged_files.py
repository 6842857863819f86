"""Damaged, foreign and malicious files give one clear error and run nothing."""

import hashlib
import io
import json
import os
import pickle
import tracemalloc
import warnings
import zipfile

import joblib
import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM

from skasd.embedders import AutoencoderEmbedder
from skasd.persistence import ModelFileError, load, save
from skasd.scorers import ColumnScorer, LOFScorer

X = np.random.default_rng(0).normal(size=(30, 4))
CLIPS = np.random.default_rng(0).normal(size=(8, 4, 10)).astype(np.float32)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "model.skasd"
    detector = make_pipeline(StandardScaler(), LOFScorer(n_neighbors=4)).fit(X)
    save(detector, path)
    return path, detector.score_samples(X)


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    path = tmp_path_factory.mktemp("deep") / "model.skasd"
    detector = make_pipeline(AutoencoderEmbedder(2, 1, max_epochs=1, random_state=0), ColumnScorer()).fit(
        CLIPS
    )
    save(detector, path)
    return path, detector.score_samples(CLIPS)


def check(path, clips, scores):
    """Load a changed file: the clear error, or the same detector."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = load(path)
    except ModelFileError as error:
        return repr(str(path)) in str(error)
    np.testing.assert_array_equal(again.score_samples(clips), scores)
    return False


@pytest.mark.parametrize(("kind", "clips", "n"), [("plain", X, 400), ("deep", CLIPS, 150)])
def test_flipped_bytes(kind, clips, n, request, tmp_path):
    source, scores = request.getfixturevalue(kind)
    content = source.read_bytes()
    rng = np.random.default_rng(1)
    path = tmp_path / "m.skasd"
    # the directory of the archive is at its end, the first header at its beginning: all of these, and some between
    places = [*range(60), *range(len(content) - 120, len(content)), *rng.integers(len(content), size=n)]
    n_errors = 0
    for place in places:
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        n_errors += check(path, clips, scores)
    assert n_errors > 0.75 * len(places)  # some fields of an archive's directory mean nothing


@pytest.mark.parametrize(("kind", "clips"), [("plain", X), ("deep", CLIPS)])
def test_truncated_and_extended_files(kind, clips, request, tmp_path):
    source, scores = request.getfixturevalue(kind)
    content = source.read_bytes()
    path = tmp_path / "m.skasd"
    for length in np.unique(np.linspace(0, len(content) - 1, 60).astype(int)):
        path.write_bytes(content[:length])
        assert check(path, clips, scores)
    for more in (b"\0", b"PK\5\6", content):
        path.write_bytes(content + more)
        check(path, clips, scores)
    for start in (1, 100, len(content) // 2):
        path.write_bytes(content[start:])
        assert check(path, clips, scores)


def test_other_kinds_of_files(tmp_path):
    path = tmp_path / "m"
    for content, match in [
        (b"", "is empty"),
        (b"hello world\n", "no model file of skasd.save"),
        (pickle.dumps([1]), "looks like a pickle"),
        (b"{}", "no model file"),
        (b"PK\3\4", "damaged"),
        (os.urandom(1000), "no model file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=match):
            load(path)
    joblib.dump(LOFScorer(), path)
    with pytest.raises(ModelFileError, match="pickle"):
        load(path)
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelFileError, match=r"zip archive, but no model file.*torch.save"):
        load(path)
    np.savez(path.with_suffix(".npz"), a=np.zeros(2))
    with pytest.raises(ModelFileError, match="zip archive, but no model file"):
        load(path.with_suffix(".npz"))
    with pytest.raises(ModelFileError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(TypeError, match="path=3"):
        load(3)
    assert issubclass(ModelFileError, ValueError)


def rewrite(source, path, change=None, *, members=None, compression=zipfile.ZIP_STORED, manifest=None):
    """Write a file whose checksums are right, with another structure."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    old = json.loads(parts.pop("manifest.json"))
    structure = json.loads(parts["structure.json"])
    if change is not None:
        structure = change(structure)
    parts["structure.json"] = json.dumps(structure).encode()
    parts |= members or {}
    old["members"] = {
        name: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()} for name, part in parts.items()
    }
    old.update(manifest or {})
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("manifest.json", json.dumps(old))
        for name, part in parts.items():
            archive.writestr(name, part)


@pytest.fixture
def ran(monkeypatch):
    """Fail if anything of the kind is called while loading."""

    def fail(*args, **kwargs):
        raise BaseException("the file ran something")

    for module, name in [(os, "system"), (os, "popen"), (pickle, "loads"), (torch, "load"), (joblib, "load")]:
        monkeypatch.setattr(module, name, fail)


STATE = {"steps": {"type": "list", "items": []}}
MALICIOUS = {
    "function of os": {"type": "function", "name": "os.system"},
    "function of posix": {"type": "function", "name": "posix.system"},
    "eval": {"type": "function", "name": "builtins.eval"},
    "numpy's load": {"type": "function", "name": "numpy.load"},
    "a module of sklearn": {"type": "function", "name": "sklearn.utils.os.system"},
    "joblib through sklearn": {"type": "function", "name": "sklearn.externals.joblib.load"},
    "fetch": {"type": "function", "name": "sklearn.datasets.fetch_openml"},
    "method of a class": {"type": "function", "name": "sklearn.metrics.RocCurveDisplay.from_predictions"},
    "partial": {
        "type": "partial",
        "func": {"type": "function", "name": "os.system"},
        "args": {"type": "tuple", "items": ["true"]},
        "keywords": {"type": "dict", "items": []},
    },
    "class of subprocess": {"type": "object", "class": "subprocess.Popen", "state": {}},
    "estimator of os": {"type": "estimator", "class": "os.system", "state": {}},
    "not an estimator": {"type": "estimator", "class": "sklearn.utils.Bunch", "state": {}},
    "no class": {"type": "estimator", "class": "sklearn.base.clone", "state": {}},
    "private test": {"type": "estimator", "class": "sklearn.tests.test_base.MyEstimator", "state": {}},
    "main": {"type": "estimator", "class": "skasd.__main__.main", "state": {}},
    "relative": {"type": "estimator", "class": "..os.system", "state": {}},
    "code": {"type": "estimator", "class": "__import__('os').system('true')", "state": {}},
    "number": {"type": "estimator", "class": 3, "state": {}},
    "type": {"type": "type", "name": "os.system"},
    "type of torch": {"type": "type", "name": "torch.optim.os"},
    "numpy's type": {"type": "type", "name": "numpy.load"},
    "callback": {"type": "callback", "class": "skorch.callbacks.Checkpoint", "params": {}},
    "net": {"type": "estimator", "class": "skorch.NeuralNet", "state": {}},
    "unknown type": {"type": "pickle", "data": "gASVIQ=="},
    "no type": {"class": "sklearn.pipeline.Pipeline"},
    "a list": [1, 2],
    "a number": 3,
    "no estimator": {"type": "list", "items": []},
    "reference to nothing": {"type": "ref", "id": 7},
    "array out of range": {"type": "array", "array": 10**9},
    "array before the first": {"type": "array", "array": -1},
    "large array of objects": {"type": "array", "shape": [10**12], "items": []},
    "number for items": {"type": "list", "items": 3},
    "bytes": {"type": "builtin", "class": "bytes", "parts": [10**12]},
    "dtype": {"type": "dtype", "value": "O,O"},
    "bits": {
        "type": "random_state",
        "class": "Generator",
        "state": {"type": "dict", "items": [["bit_generator", "os"]]},
    },
    "tree of version 1": {"type": "search_tree", "class": "KDTree", "data": 0, "leaf_size": 1},
    "tensor": {"type": "tensor", "name": "none"},
    "torch": {"type": "torch", "class": "dtype", "value": "load"},
}


@pytest.mark.parametrize("name", MALICIOUS)
@pytest.mark.parametrize("inside", [False, True])
def test_malicious_structures(name, inside, plain, tmp_path, ran):
    node = MALICIOUS[name]
    if inside:
        state = {"steps": {"type": "list", "items": [{"type": "tuple", "items": ["a", node]}]}}
        node = {"type": "estimator", "class": "sklearn.pipeline.Pipeline", "state": state}
    path = tmp_path / "m"
    rewrite(plain[0], path, lambda _: node)
    if inside and name in ("a number", "no estimator"):
        load(path)  # a pipeline with a useless step is still one
        return
    with pytest.raises(ModelFileError, match=r"cannot be loaded"):
        load(path)


def test_a_rewritten_file_is_read(plain, tmp_path):
    rewrite(plain[0], tmp_path / "m", lambda structure: structure)
    np.testing.assert_array_equal(load(tmp_path / "m").score_samples(X), plain[1])


def test_deep_structures(plain, tmp_path):
    node = None
    for _ in range(300):
        node = {"type": "list", "items": [node]}
    rewrite(plain[0], tmp_path / "m", lambda _: node)
    with pytest.raises(ModelFileError):
        load(tmp_path / "m")
    text = b'{"type": "list", "items": [' * 100_000
    rewrite(plain[0], tmp_path / "m", members={"structure.json": text})
    with pytest.raises(ModelFileError):
        load(tmp_path / "m")


def test_archives_that_are_not_ours(plain, tmp_path):
    path = tmp_path / "m"
    rewrite(plain[0], path, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="compressed"):
        load(path)
    bomb = io.BytesIO()
    np.save(bomb, np.zeros(1000))
    rewrite(plain[0], path, members={"arrays/0.npy": bomb.getvalue().replace(b"(1000,)", b"(9**9,)")})
    with pytest.raises(ModelFileError):
        load(path)
    huge = bomb.getvalue().replace(b"(1000,), }      ", b"(9999999999,), }")
    assert huge != bomb.getvalue()
    rewrite(plain[0], path, members={"arrays/0.npy": huge})
    with pytest.raises(ModelFileError, match="does not fit its size"):
        load(path)
    objects = io.BytesIO()
    np.save(objects, np.array([print], dtype=object), allow_pickle=True)
    rewrite(plain[0], path, members={"arrays/0.npy": objects.getvalue()})
    with pytest.raises(ModelFileError, match="does not fit its size"):
        load(path)
    for name in ("../../evil.npy", "/etc/evil", "arrays/x.npy", "arrays/99.npy", "C:\\evil"):
        rewrite(plain[0], path, members={name: b"evil"})
        with pytest.raises(ModelFileError):
            load(path)
    rewrite(plain[0], path, manifest={"members": {}})
    with pytest.raises(ModelFileError, match="missing or were added"):
        load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("manifest.json", "{}")
    with pytest.raises(ModelFileError, match="same name"):
        load(path)
    assert not (tmp_path.parent / "evil.npy").exists()


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        ({"format": "other"}, "no model file"),
        ({"format_version": 3}, "version 3 of the format.*reads versions 1 and 2"),
        ({"format_version": "x"}, "version 'x'"),
        ({"versions": None}, "no model file"),
        ({"members": None}, "damaged"),
    ],
)
def test_manifests(manifest, match, plain, tmp_path):
    rewrite(plain[0], tmp_path / "m", manifest=manifest)
    with pytest.raises(ModelFileError, match=match):
        load(tmp_path / "m")


def test_wrong_checksum(plain, tmp_path):
    with zipfile.ZipFile(plain[0]) as archive:
        members = json.loads(archive.read("manifest.json"))["members"]
    members["arrays/0.npy"]["sha256"] = "0" * 64
    rewrite(plain[0], tmp_path / "m", manifest={"members": members})
    with pytest.raises(ModelFileError, match=r"damaged: .* does not have its checksum"):
        load(tmp_path / "m")


def find(node, kind):
    """Return the first JSON object of a type."""
    if isinstance(node, dict):
        if node.get("type") == kind:
            return node
        node = list(node.values())
    found = (find(child, kind) for child in node) if isinstance(node, list) else ()
    return next((node for node in found if node is not None), None)


@pytest.mark.parametrize(
    "text", [{"dtype": "<U200000000", "value": "a"}, {"dtype": "|S800000000", "value": "a"}]
)
def test_strings_take_the_memory_of_their_letters(text, plain, tmp_path):
    node = {"type": "list", "items": [{"type": "scalar", **text}] * 4}
    rewrite(plain[0], tmp_path / "m", lambda _: node)
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        load(tmp_path / "m")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("dtype", ["<U200000000", "|S800000000", "|V800000000"])
def test_types_of_strings_have_a_limit(dtype, plain, tmp_path):
    rewrite(plain[0], tmp_path / "m", lambda _: {"type": "dtype", "value": dtype})
    with pytest.raises(ModelFileError, match="is no type of array"):
        load(tmp_path / "m")


def test_items_of_no_size_take_no_memory(plain, tmp_path):
    empty = io.BytesIO()
    np.save(empty, np.zeros(0, dtype="<U1"))
    forged = empty.getvalue().replace(b"'<U1'", b"'<U0'").replace(b"(0,), }        ", b"(200000000,), }")
    assert forged != empty.getvalue()
    rewrite(plain[0], tmp_path / "m", members={"arrays/0.npy": forged})
    with pytest.raises(ModelFileError, match="does not fit its size"):
        load(tmp_path / "m")


def forge_array(source, path, entry, change):
    """Write a model file in which an array of the estimator is changed."""
    with zipfile.ZipFile(source) as archive:
        number = json.loads(archive.read("structure.json"))["state"][entry]["array"]
        content = io.BytesIO()
        np.save(content, change(np.load(io.BytesIO(archive.read(f"arrays/{number}.npy")))))
    rewrite(source, path, members={f"arrays/{number}.npy": content.getvalue()})


@pytest.mark.parametrize(
    ("entry", "change"),
    [
        ("dual_coef_", lambda a: a[:, :1].copy()),
        ("support_vectors_", lambda a: a[:, :1].copy()),
        ("support_vectors_", lambda a: a[:1]),
        ("_n_support", lambda a: a - 1),
        ("_intercept_", lambda a: a[:0]),
    ],
)
def test_support_vectors_that_do_not_fit(entry, change, tmp_path):
    svm = OneClassSVM().fit(X)
    save(svm, tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").score_samples(X), svm.score_samples(X))
    forge_array(tmp_path / "m", tmp_path / "n", entry, change)
    with pytest.raises(
        ModelFileError, match=f"OneClassSVM whose .*{entry}"
    ):  # scoring would read beyond them
        load(tmp_path / "n")


@pytest.mark.parametrize("kernel", ["rbf", "precomputed"])
@pytest.mark.parametrize("svm", [OneClassSVM(), SVC(), SVR()], ids=lambda svm: type(svm).__name__)
def test_support_vectors_that_fit(svm, kernel, tmp_path):
    data = X @ X.T if kernel == "precomputed" else X
    svm = svm.set_params(kernel=kernel).fit(data, np.arange(len(X)) % 3)
    save(svm, tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").predict(data), svm.predict(data))


def test_search_trees_grow_from_their_points(tmp_path):
    save(NearestNeighbors(algorithm="kd_tree").fit(X), tmp_path / "m")

    def forge(**changes):
        def change(structure):
            structure["state"] |= changes
            return structure

        return change

    # a tree in the file, which could point anywhere, is not looked at
    rewrite(
        tmp_path / "m", tmp_path / "n", forge(_tree={"type": "search_tree", "class": "KDTree", "data": 10**9})
    )
    np.testing.assert_array_equal(load(tmp_path / "n").kneighbors(X, 1)[1].ravel(), np.arange(30))
    for wrong in ({"effective_metric_": "cosine"}, {"leaf_size": -1}, {"_fit_X": "points"}):
        rewrite(tmp_path / "m", tmp_path / "n", forge(**wrong))
        with pytest.raises(ModelFileError, match="cannot be loaded"):
            load(tmp_path / "n")


def test_kmeans_has_the_threads_of_this_machine(tmp_path):
    save(KMeans(2, n_init=1).fit(X), tmp_path / "m")

    def forge(structure):
        assert structure["state"]["_n_threads"]
        structure["state"]["_n_threads"] = 10**6
        return structure

    rewrite(tmp_path / "m", tmp_path / "n", forge)
    assert load(tmp_path / "n")._n_threads == load(tmp_path / "m")._n_threads < 10**4


def test_files_may_be_older_than_a_parameter(plain, tmp_path):
    def forget(structure):
        del find(structure, "list")["items"][1]["items"][1]["state"]["contamination"]
        return structure

    rewrite(plain[0], tmp_path / "m", forget)
    again = load(tmp_path / "m")
    assert again[-1].contamination == LOFScorer().contamination
    np.testing.assert_array_equal(again.score_samples(X), plain[1])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ModelFileError, match="is a pipe or device"):
            load(path)


def test_weights_that_do_not_fit(deep, tmp_path):
    def widen(structure):
        find(structure, "list")["items"][0]["items"][1]["state"]["hidden"] = 3
        return structure

    rewrite(deep[0], tmp_path / "m", widen)
    with pytest.raises(ModelFileError, match="another network"):
        load(tmp_path / "m")


def test_functions_that_are_allowed_do_not_open_the_others(tmp_path, plain):
    transformer = FunctionTransformer(np.log1p)
    save(transformer, tmp_path / "m")

    def swap(structure):
        find(structure, "function")["name"] = "numpy.fromfile"
        return structure

    assert load(tmp_path / "m").func is np.log1p
    rewrite(tmp_path / "m", tmp_path / "n", swap)
    with pytest.raises(ModelFileError, match=r"numpy\.fromfile is not a function that a model file may name"):
        load(tmp_path / "n")
