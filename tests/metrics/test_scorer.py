import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import DomainDependent, NormalOnly, PerSection
from skasd.metrics import HarmonicAUCScorer, harmonic_auc, harmonic_auc_scorer
from skasd.model_selection import FixedSplit, RecordingKFold
from skasd.scorers import CosineMeanScorer, KNNScorer, LOFScorer, MahalanobisScorer


class Distance(OutlierMixin, BaseEstimator):
    """Score = -|x - mean|**power of the first feature."""

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, X, y=None):
        self.mean_ = np.mean(X, axis=0)
        return self

    def score_samples(self, X):
        return -(np.abs(np.asarray(X) - self.mean_)[:, 0] ** self.power)


class Lengths(OutlierMixin, BaseEstimator):
    """Score of a path = its length, NaN for "bad"."""

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return np.array([np.nan if "bad" in x else -float(len(x)) for x in X])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(90, 3)), rng.normal(1.5, 1.5, size=(60, 3))])
    y = np.repeat([1, -1], [90, 60])
    X[45:90] += 0.5  # target
    domain = np.concatenate([np.repeat(["source", "target"], 45), np.tile(["source", "target"], 30)])
    section = np.tile(["00", "01", "02"], 50)
    return X, y, domain, section


def test_is_the_harmonic_auc_of_negated_normality(data):
    X, y, domain, section = data
    detector = Distance().fit(X[y == 1])
    expected = harmonic_auc(y, -detector.score_samples(X), domain, section)
    assert harmonic_auc_scorer(detector, X, y, domain=domain, section=section) == expected
    assert harmonic_auc_scorer(detector, X, y) == harmonic_auc(y, -detector.score_samples(X))
    assert expected > 0.5


@pytest.mark.parametrize(
    ("given", "n_jobs"),
    [((), 1), (("domain",), 1), (("section",), 1), (("domain", "section"), 1), (("domain", "section"), 2)],
)
def test_grid_search_and_cross_validate_route_metadata(data, given, n_jobs):
    X, y, domain, section = data
    metadata = {
        name: values for name, values in {"domain": domain, "section": section}.items() if name in given
    }
    detector = make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True))
    subset = np.where((np.arange(len(y)) < 90) & (np.arange(len(y)) % 2 == 0), "train", "test")
    train, test = next(FixedSplit(subset).split(X))
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            detector,
            {"localoutlierfactor__n_neighbors": [3, 9]},
            scoring=harmonic_auc_scorer,
            cv=FixedSplit(subset),
            refit=False,
            error_score="raise",
            n_jobs=n_jobs,
        ).fit(X, y, **metadata)
        scores = cross_validate(
            detector,
            X,
            y,
            scoring=harmonic_auc_scorer,
            cv=FixedSplit(subset),
            params=metadata,
            error_score="raise",
        )
    for k, found in (
        (3, search.cv_results_["mean_test_score"][0]),
        (9, search.cv_results_["mean_test_score"][1]),
    ):
        fitted = clone(detector).set_params(localoutlierfactor__n_neighbors=k).fit(X[train])
        score = -fitted.score_samples(X[test])
        expected = harmonic_auc(y[test], score, **{name: values[test] for name, values in metadata.items()})
        assert found == pytest.approx(expected, rel=1e-12)
    fitted = clone(detector).fit(X[train])
    expected = harmonic_auc(
        y[test], -fitted.score_samples(X[test]), **{name: values[test] for name, values in metadata.items()}
    )
    assert scores["test_score"][0] == pytest.approx(expected, rel=1e-12)


def test_without_routing_there_is_one_domain_and_one_section(data):
    X, y, _, _ = data
    cv = RecordingKFold(3)
    scores = cross_validate(Distance(), X, y, scoring=harmonic_auc_scorer, cv=cv, error_score="raise")[
        "test_score"
    ]
    for found, (train, test) in zip(scores, cv.split(X, y), strict=True):
        assert found == harmonic_auc(y[test], -Distance().fit(X[train]).score_samples(X[test]))


def test_stands_beside_other_scorers(data):
    X, y, domain, _ = data
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_validate(
            LocalOutlierFactor(novelty=True),
            X,
            y,
            scoring={"omega": harmonic_auc_scorer, "auc": "roc_auc"},
            cv=RecordingKFold(3),
            params={"domain": domain},
            error_score="raise",
        )
    assert np.all((scores["test_omega"] > 0.4) & (scores["test_auc"] > 0.5))
    assert not np.allclose(scores["test_omega"], scores["test_auc"])


def test_picks_the_better_detector(data):
    X, y, _, _ = data
    search = GridSearchCV(
        Distance(), {"power": [-1.0, 1.0]}, scoring=harmonic_auc_scorer, cv=RecordingKFold(3), refit=False
    ).fit(X, y)
    assert search.best_params_ == {"power": 1.0}


@pytest.mark.parametrize("section", [None, ["00", "01"] * 15])
def test_folds_without_anomalies_name_the_splitter(data, section):
    X, y, _, _ = data
    with pytest.raises(ValueError, match=r"no anomalous clip among the .* split with .*RecordingKFold"):
        harmonic_auc_scorer(Distance().fit(X), X[:30], y[:30], section=section)
    with pytest.raises(ValueError, match="RecordingKFold"):
        cross_validate(Distance(), X, y, scoring=harmonic_auc_scorer, cv=KFold(5), error_score="raise")


def test_a_section_without_anomalies_is_named(data):
    X, y, _, section = data
    section = np.where(y == 1, section, "00")
    with pytest.raises(ValueError, match="no anomalous clip among the 30 to be scored of section '01'"):
        harmonic_auc_scorer(Distance().fit(X), X, y, section=section)


def test_a_nan_score_names_the_clip():
    paths = ["a/1.wav", "a/bad.wav", "a/22.wav"]
    with pytest.raises(ValueError, match=r"clip a/bad\.wav: nan"):
        harmonic_auc_scorer(Lengths(), paths, [1, 1, -1])
    with pytest.raises(ValueError, match=r"clip a/bad\.wav: nan"):
        harmonic_auc_scorer(Lengths(), np.array(paths), [1, 1, -1])


def test_repr_pickle_clone_and_parameters(data):
    X, y, _, _ = data
    assert repr(harmonic_auc_scorer) == "HarmonicAUCScorer()"
    scorer = HarmonicAUCScorer(max_fpr=0.2)
    detector = Distance().fit(X[y == 1])
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer)):
        assert copy(detector, X, y) == scorer(detector, X, y) != harmonic_auc_scorer(detector, X, y)
    with pytest.raises(ValueError, match="max_fpr"):
        HarmonicAUCScorer(max_fpr=0)(detector, X, y)


def test_a_request_can_be_withdrawn(data):
    X, y, domain, _ = data
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = HarmonicAUCScorer().set_score_request(domain=False)
        found = cross_validate(
            Distance(),
            X,
            y,
            scoring=scorer,
            cv=RecordingKFold(3).set_split_request(groups=True),
            params={"domain": domain},
            error_score="raise",
        )["test_score"]
    cv = RecordingKFold(3).split(X, y, domain=domain)
    for value, (train, test) in zip(found, cv, strict=True):
        assert value == harmonic_auc(y[test], -Distance().fit(X[train]).score_samples(X[test]))


@pytest.fixture
def alike():
    """Two sections; an anomaly of either sounds like a healthy clip of the other."""
    rng = np.random.default_rng(0)
    section = np.tile(["a", "b"], 60)
    y = np.repeat([1, -1], [80, 40])
    center = np.where((section == "a") == (y == 1), 0.0, 8.0)
    X = rng.normal(size=(120, 3)) + center[:, None]
    return X, y, section, np.resize(["source", "source", "target"], 120)


WITH_SECTIONS = [
    PerSection(None, KNNScorer()),
    NormalOnly(PerSection(StandardScaler(), LOFScorer())),
    make_pipeline(StandardScaler(), PerSection(None, MahalanobisScorer())),
    NormalOnly(make_pipeline(StandardScaler(), PerSection(None, CosineMeanScorer()))),
]


@pytest.mark.filterwarnings("ignore:.* is fitted on .* clips that y marks")
@pytest.mark.parametrize("detector", WITH_SECTIONS, ids=lambda d: type(d).__name__)
def test_a_detector_that_is_told_the_section(alike, detector):
    X, y, section, _ = alike
    with sklearn.config_context(enable_metadata_routing=True):
        fitted = clone(detector).fit(X[:40], section=section[:40])
    X, y, section = X[40:], y[40:], section[40:]
    told = HarmonicAUCScorer(tell=("section",))
    scores = [scorer(fitted, X, y, section=section) for scorer in (harmonic_auc_scorer, told)]
    assert scores[0] < 0.7
    assert scores[1] > 0.95
    with pytest.raises(ValueError, match=r"was not given section: pass section="):
        told(fitted, X, y)


def test_what_is_told_goes_through_searches(alike):
    X, y, section, _ = alike
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            NormalOnly(PerSection(None, KNNScorer())),
            {"estimator__estimator__n_neighbors": [1, 3]},
            scoring={"blind": harmonic_auc_scorer, "told": HarmonicAUCScorer(tell=["section"])},
            cv=RecordingKFold(3),
            refit="told",
        ).fit(X, y, section=section)
        assert (
            search.cv_results_["mean_test_told"].min()
            > 0.95
            > 0.7
            > search.cv_results_["mean_test_blind"].max()
        )
        result = cross_validate(
            make_pipeline(StandardScaler(), NormalOnly(PerSection(None, KNNScorer()))),
            X,
            y,
            scoring=HarmonicAUCScorer(tell=("section",)),
            cv=RecordingKFold(3),
            params={"section": section},
        )
        assert result["test_score"].min() > 0.95
        # without the section
        with pytest.raises(ValueError, match="was not given section"):
            cross_validate(
                NormalOnly(KNNScorer()),
                X,
                y,
                scoring=HarmonicAUCScorer(tell=("section",)),
                cv=RecordingKFold(3),
                error_score="raise",
            )


def test_a_detector_that_is_told_the_domain(alike):
    X, y, section, domain = alike
    detector = DomainDependent(LOFScorer(), KNNScorer()).fit(X[y == 1], domain=domain[y == 1])
    told = HarmonicAUCScorer(tell=("domain", "section"))
    expected = harmonic_auc(y, -detector.decision_function(X, domain=domain), domain, section)
    assert told(detector, X, y, domain=domain, section=section) == expected
    assert expected != harmonic_auc_scorer(detector, X, y, domain=domain, section=section)


@pytest.mark.parametrize("detector", [LocalOutlierFactor(novelty=True), Distance()], ids=repr)
def test_what_a_detector_has_no_use_for_is_not_told(alike, detector):
    X, y, section, domain = alike
    detector.fit(X[y == 1])
    scorer = HarmonicAUCScorer(tell=("section", "domain"))
    assert scorer(detector, X, y, section=section, domain=domain) == harmonic_auc_scorer(
        detector, X, y, section=section, domain=domain
    )
    with pytest.raises(ValueError, match=r"a detector can be told \['domain', 'section'\]"):
        HarmonicAUCScorer(tell=("machine",))(detector, X, y)
