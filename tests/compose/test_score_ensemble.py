"""Combined scores of several detectors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import check_outliers_fit_predict, check_outliers_train

from skasd.compose import DomainDependent, NormalOnly, PerSection, ScoreEnsemble
from skasd.compose._combination import Standardization
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold
from skasd.scorers import CosineMeanScorer, KNNScorer, LOFScorer, MahalanobisScorer

PAIR = [("knn", KNNScorer()), ("maha", MahalanobisScorer())]


class Counter(OutlierMixin, BaseEstimator):
    """Distance to the mean; counts its fits."""

    fits = []

    def fit(self, X, y=None):
        Counter.fits.append(len(X))
        self.mean_ = np.mean(X, axis=0)
        self.offset_ = -1.0
        return self

    def score_samples(self, X):
        return -np.linalg.norm(X - self.mean_, axis=1)

    def decision_function(self, X):
        return self.score_samples(X) - self.offset_


def clips(n=80, seed=0, n_features=4):
    return np.random.default_rng(seed).normal(size=(n, n_features)) * np.arange(1, n_features + 1)


@pytest.mark.parametrize(
    ("combine", "standardize_scores"),
    [
        (combine, standardize_scores)
        for combine in ("sum", "product", "max", "min", lambda scores: np.median(scores, axis=1))
        for standardize_scores in ("zscore", "rank", None)
        if (combine, standardize_scores) != ("product", "zscore")  # refused, tested below
    ],
)
@pytest.mark.parametrize("weights", [None, [2, 0.5, 1]])
def test_formula(combine, standardize_scores, weights):
    X, new = clips(), clips(seed=1)
    members = [*PAIR, ("lof", LOFScorer())]
    fitted = ScoreEnsemble(
        members, combine=combine, standardize_scores=standardize_scores, weights=weights
    ).fit(X)
    columns = []
    for _, scorer in members:
        alone = clone(scorer).fit(X)
        scores, known = alone.anomaly_score(new), alone.training_scores_
        if standardize_scores == "zscore":
            scores = (scores - known.mean()) / known.std()
        elif standardize_scores == "rank":
            scores = Standardization("rank", known)(scores)
        columns.append(scores)
    scores = np.column_stack(columns)
    w = np.ones(3) if weights is None else np.array(weights)
    expected = {
        "sum": lambda: (scores * w).sum(axis=1),
        "product": lambda: (scores**w).prod(axis=1),
        "max": lambda: (scores * w).max(axis=1),
        "min": lambda: (scores * w).min(axis=1),
    }.get(combine, lambda: np.median(scores * w, axis=1))()
    assert_allclose(fitted.anomaly_score(new), expected)
    assert_array_equal(fitted.score_samples(new), -fitted.anomaly_score(new))
    assert_array_equal(fitted.decision_function(new), fitted.score_samples(new) - fitted.offset_)
    assert_array_equal(fitted.predict(new), np.where(fitted.decision_function(new) >= 0, 1, -1))
    held_out = np.column_stack([clone(scorer).fit(X).training_scores_ for _, scorer in members])
    assert_array_equal(fitted.held_out_scores_, held_out)


def test_raw_product_of_mahalanobis_distances():
    """Ensemble4 of CQUPT 2023: (distance + distance) * (distance + distance)."""
    X, new = clips(n_features=8), clips(seed=1, n_features=8)
    raw = {"standardize_scores": None}

    def distance(*columns):
        return make_pipeline(ColumnTransformer([("own", "passthrough", list(columns))]), MahalanobisScorer())

    first = ScoreEnsemble([("sec", distance(0, 1)), ("sed", distance(2, 3))], **raw)
    second = ScoreEnsemble([("sec", distance(4, 5)), ("sed", distance(6, 7))], **raw)
    fitted = ScoreEnsemble([("mv2", first), ("vit", second)], combine="product", **raw).fit(X)
    d = [MahalanobisScorer().fit(X[:, i : i + 2]) for i in (0, 2, 4, 6)]
    d = [scorer.anomaly_score(new[:, 2 * i : 2 * i + 2]) for i, scorer in enumerate(d)]
    assert_allclose(fitted.anomaly_score(new), (d[0] + d[1]) * (d[2] + d[3]))
    assert np.mean(fitted.predict(new) == -1) < 0.3


def test_product_refuses_negative_scores():
    X = clips()
    with pytest.raises(ValueError, match=r"combine='product' needs .* but standardize_scores='zscore'"):
        ScoreEnsemble(PAIR, combine="product").fit(X)
    mixed = [("knn", KNNScorer()), ("difference", KNNScorer(density_normalization="difference"))]
    with pytest.raises(ValueError, match="not negative, but 'difference' gives -"):
        ScoreEnsemble(mixed, combine="product", standardize_scores=None).fit(X)
    ScoreEnsemble(mixed, combine="product", standardize_scores="rank").fit(X)


@settings(max_examples=40, deadline=None)
@given(arrays(float, st.integers(1, 12), elements=st.floats(-5, 5).map(lambda x: round(x, 1))))
def test_rank_is_monotone_and_that_of_the_known_scores(known):
    standardization = Standardization("rank", known)
    grid = np.linspace(known.min() - 2, known.max() + 2, 200)
    ranks = standardization(grid)
    assert (np.diff(ranks) >= -1e-12).all()
    assert ranks[0] == pytest.approx(1 / (len(known) + 1))
    assert ranks[-1] > ranks[-30]  # anomalies are told apart
    n = len(known)
    for value in known:  # the middle of the ranks of equal values
        middle = ((known < value).sum() + 1 + (known <= value).sum()) / 2
        assert standardization(np.array([value]))[0] == pytest.approx(middle / (n + 1))


def test_equal_scores_have_no_spread_to_divide_by():
    standardization = Standardization("zscore", np.full(5, 0.3))
    assert_allclose(standardization(np.array([0.3, 1.3])), [0, 1], atol=1e-12)


def test_detectors_without_held_out_scores_are_cross_fitted():
    X = clips(50)
    Counter.fits.clear()
    fitted = ScoreEnsemble([("counter", Counter()), ("knn", KNNScorer())]).fit(X)
    assert Counter.fits == [50, 40, 40, 40, 40, 40]
    assert not np.allclose(fitted.held_out_scores_[:, 0], -fitted.estimators_[0].score_samples(X), atol=1e-4)
    folds = KFold(3, shuffle=True, random_state=5)
    fitted = ScoreEnsemble([("counter", Counter())], cv=folds).fit(X)
    expected = np.empty(50)
    for train, test in folds.split(X):
        expected[test] = -Counter().fit(X[train]).score_samples(X[test])
    assert_array_equal(fitted.held_out_scores_[:, 0], expected)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda scorer: make_pipeline(StandardScaler(), scorer),
        NormalOnly,
        lambda scorer: GridSearchCV(
            NormalOnly(scorer), {"estimator__n_neighbors": [3]}, scoring="roc_auc", cv=RecordingKFold(2)
        ),
        lambda scorer: PerSection(estimator=scorer),
        lambda scorer: ScoreEnsemble([("one", scorer)], standardize_scores=None),
    ],
)
def test_held_out_scores_are_found_within_compositions(wrap):
    X = clips(40)
    y = np.where(np.arange(40) % 5 == 0, -1, 1)
    scorer = KNNScorer(n_neighbors=3)
    detector = wrap(scorer)
    if isinstance(detector, (NormalOnly, GridSearchCV)):
        normal, labels = y == 1, y
    else:
        normal, labels = np.ones(40, dtype=bool), None
    fitted = ScoreEnsemble([("wrapped", detector), ("plain", NormalOnly(KNNScorer()))]).fit(X, labels)
    Z = StandardScaler().fit_transform(X) if hasattr(detector, "steps") else X
    expected = np.full(40, np.nan)
    expected[normal] = scorer.fit(Z[normal]).training_scores_
    assert_allclose(fitted.held_out_scores_[:, 0], expected)
    assert len(fitted.training_scores_) == normal.sum()


def test_in_sample_scores_are_not_taken_for_held_out_ones():
    X = clips(40)
    fitted = ScoreEnsemble([("knn", KNNScorer(calibration="train"))]).fit(X)
    assert (fitted.held_out_scores_ > 0).all()  # in-sample they are 0: each clip is its own neighbour


@pytest.mark.parametrize("standardize_scores", ["zscore", "rank", None])
def test_false_alarm_rate(standardize_scores):
    X, new = clips(300), clips(600, seed=1)
    members = [*PAIR, ("forest", IsolationForest(n_estimators=20, random_state=0))]
    fitted = ScoreEnsemble(members, standardize_scores=standardize_scores).fit(X)
    assert np.mean(fitted.predict(new) == -1) == pytest.approx(0.1, abs=0.03)
    few = ScoreEnsemble(PAIR, standardize_scores=standardize_scores, contamination=0.03).fit(X)
    assert np.mean(few.predict(new) == -1) == pytest.approx(0.03, abs=0.02)


def test_calibrations():
    X = clips(200)
    train = ScoreEnsemble(PAIR, calibration="train").fit(X)
    assert train.threshold_ == pytest.approx(np.percentile(train.anomaly_score(X), 90))
    assert_allclose(train.training_scores_, train.anomaly_score(X))
    gamma = ScoreEnsemble(PAIR, calibration="gamma").fit(X)
    assert np.mean(gamma.training_scores_ > gamma.threshold_) == pytest.approx(0.1, abs=0.03)
    cross = ScoreEnsemble(PAIR).fit(X)
    ordered = np.sort(cross.training_scores_)
    assert cross.threshold_ == pytest.approx(0.1 * ordered[179] + 0.9 * ordered[180])  # 201 * 0.9 = 180.9


def test_with_the_threshold_of_the_training_clips_the_checks_of_outliers_pass():
    ensemble = ScoreEnsemble([("lof", LOFScorer()), ("maha", MahalanobisScorer())], calibration="train")
    check_outliers_train("ScoreEnsemble", ensemble)
    check_outliers_fit_predict("ScoreEnsemble", ensemble)


def test_nested_parameters_and_dropping():
    ensemble = ScoreEnsemble([("lof", LOFScorer()), ("pipe", make_pipeline(StandardScaler(), KNNScorer()))])
    assert ensemble.get_params()["pipe__knnscorer__n_neighbors"] == 1
    ensemble.set_params(lof__n_neighbors=7, pipe__knnscorer__n_neighbors=2, weights=[1, 2])
    X = clips()
    fitted = clone(ensemble).fit(X)
    assert fitted.named_estimators_["lof"].n_neighbors_ == {"all": 7}
    dropped = clone(ensemble).set_params(lof="drop").fit(X)
    assert list(dropped.named_estimators_) == ["pipe"]
    only = ScoreEnsemble([("pipe", ensemble.estimators[1][1])], weights=[2]).fit(X)
    assert_array_equal(dropped.score_samples(X), only.score_samples(X))
    y = np.where(np.arange(80) % 4 == 0, -1, 1)
    X[y == -1] += 3
    pipe = make_pipeline(StandardScaler(), ScoreEnsemble(PAIR))
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            NormalOnly(pipe),
            {
                "estimator__scoreensemble__knn__n_neighbors": [1, 3],
                "estimator__scoreensemble__maha": ["drop"],
            },
            scoring=harmonic_auc_scorer,
            cv=RecordingKFold(2),
        ).fit(X, y, domain=np.tile(["source", "target"], 40))
    assert list(search.best_estimator_.estimator_[-1].named_estimators_) == ["knn"]
    assert list(search.best_estimator_.estimator_[-1].estimators_[0].references_) == [
        "source",
        "target",
    ]


def test_metadata_reaches_the_members_that_ask_for_it():
    X = clips(60)
    section, domain = np.tile(["a", "b"], 30), np.tile(["source", "source", "target"], 20)
    proxy = np.arange(60) % 10 == 0
    X[proxy] = 50
    members = [
        ("mean", make_pipeline(StandardScaler(), PerSection(None, CosineMeanScorer()))),
        ("knn", KNNScorer()),
        ("forest", IsolationForest(n_estimators=5, random_state=0)),
    ]
    fits = []
    for routing in (True, False):
        with config_context(enable_metadata_routing=routing):
            fits.append(ScoreEnsemble(members).fit(X, section=section, domain=domain, proxy=proxy))
    one, two = fits
    assert one.estimators_[0][-1].sections_ == ["a", "b"]
    assert list(one.estimators_[1].references_) == ["source", "target"]
    forest = IsolationForest(n_estimators=5, random_state=0).fit(X[~proxy])
    assert_array_equal(one.estimators_[2].score_samples(X), forest.score_samples(X))
    assert_array_equal(np.isnan(one.held_out_scores_).all(axis=1), proxy)
    assert_array_equal(one.score_samples(X), two.score_samples(X))


def test_known_sections_are_handed_to_the_members():
    rng = np.random.default_rng(0)
    section = np.tile(["a", "b"], 40)
    X = rng.normal(size=(80, 3)) + 5 * (section == "b")[:, None]
    members = [
        ("lof", PerSection(estimator=LOFScorer())),
        ("maha", PerSection(estimator=MahalanobisScorer())),
    ]
    fitted = ScoreEnsemble(members).fit(X, section=section)
    wrong = np.where(section == "a", "b", "a")
    known = fitted.decision_function(X, section=section)
    by_hand = 0
    for per_section, held_out in zip(fitted.estimators_, fitted.held_out_scores_.T, strict=True):
        anomaly = -(per_section.decision_function(X, section=section) + per_section.offset_)
        by_hand = by_hand + (anomaly - held_out.mean()) / held_out.std()
    assert_allclose(known, -by_hand - fitted.offset_)
    assert (fitted.predict(X, section=wrong) == -1).all()
    assert np.mean(fitted.predict(X, section=section) == -1) < 0.25
    pipe = make_pipeline(StandardScaler(), ScoreEnsemble(members))
    with config_context(enable_metadata_routing=True):
        pipe.fit(X, section=section)
        assert (pipe.predict(X, section=wrong) == -1).all()
    plain = ScoreEnsemble(PAIR).fit(X)  # of scorers that ignore sections
    assert_allclose(plain.decision_function(X, section=section), plain.decision_function(X))
    with pytest.raises(TypeError, match=r"unexpected argument.*microphone"):
        plain.decision_function(X, microphone=section)


def test_shared_networks_before_an_ensemble_for_each_section():
    """Two embeddings side by side, fitted once; in each section an ensemble of a detector on either."""
    rng = np.random.default_rng(0)
    section = np.tile(["a", "b"], 40)
    X = rng.normal(size=(80, 3)) + 5 * (section == "b")[:, None]
    union = FeatureUnion([("one", StandardScaler()), ("two", MinMaxScaler())])

    def on(columns, scorer):
        return make_pipeline(ColumnTransformer([("own", "passthrough", columns)]), scorer)

    ensemble = ScoreEnsemble([("one", on(slice(3), LOFScorer())), ("two", on(slice(3, 6), KNNScorer()))])
    fitted = PerSection(union, ensemble).fit(X, section=section)
    E = union.fit_transform(X)
    for name in "ab":
        rows = section == name
        alone = clone(ensemble).fit(E[rows])
        assert_allclose(fitted.decision_function(X, section=section)[rows], alone.decision_function(E[rows]))
    assert np.mean(fitted.predict(X) == -1) < 0.25


def test_parallel_members_are_the_same():
    X = clips()
    members = [*PAIR, ("forest", IsolationForest(n_estimators=5, random_state=0))]
    one, two = (ScoreEnsemble(members, n_jobs=n).fit(X) for n in (1, 2))
    assert_array_equal(one.score_samples(X), two.score_samples(X))
    assert one.offset_ == two.offset_


def test_skipped_clips():
    X = clips(40)
    X[[4, 9]] = np.nan
    fitted = ScoreEnsemble([*PAIR, ("pipe", make_pipeline(StandardScaler(), LOFScorer()))]).fit(X)
    assert_array_equal(np.flatnonzero(np.isnan(fitted.score_samples(X))), [4, 9])
    assert_array_equal(np.flatnonzero(np.isnan(fitted.held_out_scores_).any(axis=1)), [4, 9])
    assert_array_equal(fitted.predict(X)[[4, 9]], -1)
    assert len(fitted.training_scores_) == 38


def test_groups_reach_the_splitter():
    X = clips(30)
    groups = np.repeat(np.arange(10), 3)
    members = [("lof", LocalOutlierFactor(n_neighbors=3, novelty=True))]
    with config_context(enable_metadata_routing=True):
        fitted = ScoreEnsemble(members, cv=GroupKFold(5)).fit(X, groups=groups)
    expected = np.empty(30)
    for train, test in GroupKFold(5).split(X, groups=groups):
        expected[test] = -members[0][1].fit(X[train]).score_samples(X[test])
    assert_array_equal(fitted.held_out_scores_[:, 0], expected)


def test_dataframes_keep_their_names():
    frame = pd.DataFrame(clips(30), columns=list("abcd"))
    fitted = ScoreEnsemble([("forest", IsolationForest(n_estimators=3, random_state=0)), *PAIR]).fit(frame)
    assert_array_equal(fitted.feature_names_in_, list("abcd"))
    fitted.predict(frame)


def test_errors():
    X = clips(20)
    for detectors, message in [
        ([], "estimators is empty"),
        ([("a", "drop")], "no detector left"),
        ([("a", "lof")], "detector 'a' is 'lof'"),
        ([KNNScorer()], r"list of \(name, estimator\) tuples"),
        ([("a", KNNScorer()), ("a", LOFScorer())], "not unique"),
        ([("a__b", KNNScorer())], "must not contain __"),
        ([("cv", KNNScorer())], "conflict with constructor"),
    ]:
        with pytest.raises(ValueError, match=message):
            ScoreEnsemble(detectors).fit(X)
    with pytest.raises(TypeError, match="'a' must be an outlier detector"):
        ScoreEnsemble([("a", StandardScaler())]).fit(X)
    with pytest.raises(ValueError, match=r"weights has shape \(3,\); each of the 2 detectors"):
        ScoreEnsemble(PAIR, weights=[1, 2, 3]).fit(X)
    for weights in ([-1, 1], [0, 0], [np.nan, 1]):
        with pytest.raises(ValueError, match="weights must be finite"):
            ScoreEnsemble(PAIR, weights=weights).fit(X)
    with pytest.raises(ValueError, match=r"returned shape \(\) for scores of shape \(20, 2\)"):
        ScoreEnsemble(PAIR, combine=np.sum).fit(X)
    with pytest.raises(ValueError, match="'combine' parameter"):
        ScoreEnsemble(PAIR, combine="mean").fit(X)
    with pytest.raises(ValueError, match="domain has 3 entries for 20 clips"):
        ScoreEnsemble(PAIR).fit(X, domain=["source"] * 3)


def test_densities_without_a_threshold_of_their_own():
    X = clips(60)
    domain = ["source"] * 50 + ["target"] * 10
    for detector in (
        ScoreEnsemble([("knn", KNNScorer()), ("mixture", GaussianMixture(2, random_state=0))]),
        DomainDependent(target=KernelDensity()),
    ):
        detector.fit(X, domain=domain)
        assert detector.predict([X[0], X[0] + 99]).tolist() == [1, -1]
