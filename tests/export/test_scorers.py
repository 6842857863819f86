import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skasd import (
    BandScorer,
    ClipStatistics,
    ColumnScorer,
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
)
from skasd.export import ExportError, to_onnx
from skasd.scorers import TermScorer

from .agreement import check_agreement, exported

SCORERS = [
    KNNScorer(),
    KNNScorer(n_neighbors=3),
    KNNScorer(2, density_normalization="ratio", n_density_neighbors=2),
    KNNScorer(2, density_normalization="difference"),
    KNNScorer(density_normalization="variance", n_density_neighbors=4),
    KNNCosineScorer(n_neighbors=2),
    KNNCosineScorer(density_normalization="ratio"),
    KMeansScorer(4, random_state=0),
    CosineMeanScorer(),
    MahalanobisScorer(),
    MahalanobisScorer(shrinkage=None, standardize_features=False),
    LOFScorer(),
    LOFScorer(3, metric="sqeuclidean"),
    BandScorer(bands=4),
    BandScorer(KNNScorer(), bands=[[0, 1, 2], [2, 3], [5]], weights=[1, 2, 0]),
    BandScorer(LOFScorer(2), bands=np.arange(32) % 3, calibration="train"),
    ColumnScorer(weights=np.linspace(-1, 2, 32)),
    TermScorer(bands=[[0, 1, 2], [5, 6]], ready=[4, 9], weights=[1, 2, 1, 3]),
]


def detector(scorer):
    return make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), scorer)


@pytest.mark.parametrize(
    ("scorer", "known"),
    [
        *((scorer, []) for scorer in SCORERS),
        (KNNScorer(2, density_normalization="ratio"), ["domain"]),
        (KMeansScorer(4, random_state=0), ["domain"]),  # its target clips are all references
        (MahalanobisScorer(), ["domain"]),
        (BandScorer(KNNScorer(), bands=3), ["domain"]),
        (CosineMeanScorer(), ["domain"]),
    ],
    ids=str,
)
def test_scores_are_those_of_the_scorer(sounds, tmp_path, scorer, known):
    scorer = scorer.set_params(contamination=0.3)
    name = type(scorer).__name__.lower()
    metadata = {f"{name}__{each}": getattr(sounds, each) for each in known}
    check_agreement(detector(scorer).fit(sounds.healthy, **metadata), tmp_path, sounds.mixed)


@pytest.mark.parametrize("scorer", [KNNScorer(), MahalanobisScorer(), LOFScorer()], ids=str)
def test_domains_in_units_of_their_own_spread(sounds, tmp_path, scorer):
    scorer = scorer.set_params(contamination=0.3, domain_normalization="zscore")
    name = type(scorer).__name__.lower()
    fitted = detector(scorer).fit(sounds.healthy, **{f"{name}__domain": sounds.domain})
    check_agreement(fitted, tmp_path, sounds.mixed)


@pytest.mark.parametrize(
    "scorer", [KNNScorer(), KNNCosineScorer(), LOFScorer(), KMeansScorer(3, random_state=0)]
)
def test_clips_that_were_learnt_from_score_as_in_the_library(sounds, tmp_path, scorer):
    # where distances are zero but for rounding
    doubled = np.concatenate([sounds.healthy, sounds.healthy[:3]])
    fitted = detector(scorer).fit(doubled)
    expected = -fitted.score_samples(sounds.healthy)
    spread = expected.std() + fitted[-1].training_scores_.std()
    found = exported(fitted, tmp_path).anomaly_score(sounds.healthy)
    np.testing.assert_allclose(found, expected, atol=1e-4 * spread)


def test_lof_of_references_that_are_all_alike(sounds, tmp_path):
    fitted = detector(LOFScorer(3)).fit(np.repeat(sounds.healthy[:1], 6, axis=0))
    others = sounds.mixed[:8]  # not the reference itself, whose distance rounding decides
    expected = -fitted.score_samples(others)
    assert expected.min() > 1e8  # distances over 1e-10
    np.testing.assert_allclose(exported(fitted, tmp_path).anomaly_score(others), expected, rtol=1e-3)


@pytest.mark.parametrize("scorer", [KNNCosineScorer(), KMeansScorer(3, random_state=0), CosineMeanScorer()])
def test_rows_of_zeros_are_far_from_all_others(sounds, tmp_path, scorer):
    # without a logarithm silence has statistics of zero
    front = LogMelTransformer(n_mels=16, log=None)
    fitted = make_pipeline(front, ClipStatistics(), scorer).fit(sounds.healthy)
    silence = np.zeros((1, 8000), np.float32)
    assert exported(fitted, tmp_path).anomaly_score(silence) == -fitted.score_samples(silence) == 1


class OtherMahalanobis(MahalanobisScorer):
    """May compute anything."""


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (
            LOFScorer(metric="cosine"),
            r"LOFScorer\(metric='cosine'\) cannot be exported: use metric='euclidean'",
        ),
        (OtherMahalanobis(), "OtherMahalanobis cannot be exported: scorers that can be are BandScorer"),
        (BandScorer(OtherMahalanobis(), bands=2), "OtherMahalanobis cannot be exported"),
        (LOFScorer(p=1), r"LOFScorer\(p=1\) cannot be exported: use p=2"),
        (BandScorer(LOFScorer(metric="l1"), bands=2), r"LOFScorer\(metric='l1'\)"),
        (
            GammaSoftmaxScorer(formula="negative"),
            "GammaSoftmaxScorer cannot be exported: scorers that can be are BandScorer",
        ),
    ],
    ids=str,
)
def test_what_has_no_such_form_is_refused(sounds, tmp_path, scorer, message):
    front = LogMelTransformer(n_mels=16, log="natural")
    fitted = make_pipeline(front, ClipStatistics(["max"]), scorer)
    with np.errstate(all="ignore"):
        fitted.fit(sounds.healthy)
    with pytest.raises(ExportError, match=message):
        to_onnx(fitted, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
