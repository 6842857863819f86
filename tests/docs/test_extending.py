"""The examples of extending the library work, are short, and pass scikit-learn's estimator checks."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skasd import LogMelTransformer, MahalanobisScorer, ViTEmbedder
from skasd.datasets import make_machine_sounds

from ..estimator_excuses import EXPECTED_FAILURES
from ..test_estimator_checks import allow_for_rounding

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "extending"


def load(name):
    spec = importlib.util.spec_from_file_location(f"extending_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where pickle looks for the class
    spec.loader.exec_module(module)
    return module


MedianScorer = load("scorer").MedianScorer
TemporalEmbedder = load("embedder").TemporalEmbedder
AdaProj = load("loss").AdaProj
two_resolutions = load("system").two_resolutions


@pytest.fixture(scope="module")
def sounds():
    data = make_machine_sounds(
        n_train=80, n_test=60, duration=1.0, severity=1.0, n_sections=2, random_state=0
    )
    return data.X, data.table


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_an_extension_takes_less_than_60_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60


def test_the_scorer_computes_its_formula():
    X = np.random.default_rng(0).normal(size=(51, 3)) * [1, 10, 0]
    scorer = MedianScorer(floor=0.5).fit(X)
    median = np.median(X, axis=0)
    deviation = np.maximum(np.median(np.abs(X - median), axis=0), 0.5)
    new = np.array([[3.0, -5.0, 2.0]])
    np.testing.assert_allclose(scorer.anomaly_score(new), np.mean(np.abs(new - median) / deviation, axis=1))
    assert scorer.predict(new * 1e3)[0] == -1
    with pytest.raises(ValueError, match="floor"):
        MedianScorer(floor=0).fit(X)


def test_the_scorer_inherits_domains_and_an_honest_threshold():
    rng = np.random.default_rng(1)
    X, domain = rng.normal(size=(300, 4)), np.repeat(["source", "target"], [280, 20])
    X[280:] += 20
    scorer = MedianScorer(contamination=0.1).fit(X, domain=domain)
    new = rng.normal(size=(2000, 4))
    rates = [(scorer.predict(new + shift) == -1).mean() for shift in (0, 20)]
    assert abs(np.mean(rates) - 0.1) < 0.05  # both domains count the same
    assert (scorer.predict(new[:200] + 20) == 1).mean() > 0.5  # the target domain is normal, too
    assert (scorer.predict(new[:200] + 10) == -1).all()


def test_the_embedder_learns_what_it_is_taught(sounds):
    X, table = sounds
    spectra = LogMelTransformer(n_mels=32).fit_transform(X)
    train = (table["split"] == "train").to_numpy()
    embedder = TemporalEmbedder(max_epochs=8, device="cpu", random_state=0)
    embedder.fit(spectra[train], section=table["section"][train])
    healthy = ~train & (table["y"] == 1).to_numpy()
    named = embedder.classes_[embedder.predict_log_proba(spectra[healthy]).argmax(axis=1)]
    assert (named == table["section"][healthy]).mean() > 0.9
    again = clone(embedder).fit(spectra[train], section=table["section"][train])
    np.testing.assert_array_equal(again.transform(spectra[:3]), embedder.transform(spectra[:3]))
    detector = make_pipeline(clone(embedder).set_params(max_epochs=1), MahalanobisScorer()).fit(
        spectra[train]
    )
    assert np.isfinite(detector.score_samples(spectra[:5])).all()


def test_the_loss_computes_its_formula_and_teaches(sounds):
    generator = torch.Generator().manual_seed(0)
    loss = AdaProj(5, 3, subspace_dim=2, scale=7.0)
    rows = torch.randn(4, 5, generator=generator)
    cosines = np.empty((4, 3))
    for i, x in enumerate(rows.numpy()):
        for c, basis in enumerate(loss.basis.numpy()):
            directions = basis / np.linalg.norm(basis, axis=1, keepdims=True)
            projection = sum((x @ w) * w for w in directions)
            cosines[i, c] = x @ projection / np.linalg.norm(x) / np.linalg.norm(projection)
    log_p = 7 * cosines - np.log(np.exp(7 * cosines).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(loss.log_proba(rows), log_p, rtol=1e-4)
    target = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0.25, 0.75], [0, 0, 1]])
    assert loss(rows, target).item() == pytest.approx(-(target.numpy() * log_p).sum() / 4, rel=1e-4)

    X, table = sounds
    spectra = LogMelTransformer(n_mels=32).fit_transform(X)
    train = (table["split"] == "train").to_numpy()
    embedder = ViTEmbedder(
        loss=AdaProj, dim=16, patch=8, patch_frames=16, max_epochs=8, lr=0.01, random_state=0
    )
    embedder.fit(spectra[train], section=table["section"][train])
    healthy = ~train & (table["y"] == 1).to_numpy()
    named = embedder.classes_[embedder.predict_log_proba(spectra[healthy]).argmax(axis=1)]
    assert (named == table["section"][healthy]).mean() > 0.9


def test_the_system_detects_and_is_an_ordinary_estimator(sounds):
    X, table = sounds
    rows = (table["section"] == "00").to_numpy()
    train, test = rows & (table["split"] == "train"), rows & (table["split"] == "test")
    system = two_resolutions(contamination=0.2)
    assert system.get_params()["tones__logmeltransformer__n_fft"] == 2048
    detector = clone(system).fit(X[train])
    assert roc_auc_score(table["y"][test], detector.score_samples(X[test])) > 0.75


@parametrize_with_checks(
    [MedianScorer(), TemporalEmbedder(max_epochs=1, device="cpu")],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(
        {"MedianScorer": "MahalanobisScorer"}.get(type(estimator).__name__), {}
    ),
)
def test_extensions_pass_the_estimator_checks(estimator, check, request):
    allow_for_rounding(estimator, check, request)
    check(estimator)
