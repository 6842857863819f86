"""The default detector where sections and clips are many: trained networks join its rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import skasd
from skasd import AnomalousSoundDetector
from skasd.compose import SectionScores
from skasd.datasets import make_machine_sounds
from skasd.detector import _networks
from skasd.embedders import DPTEmbedder, MFNEmbedder


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([267, 267, 266], True),
        ([600, 100, 100], True),
        ([267, 266, 266], False),  # 799
        ([700, 100], False),  # two sections
        ([1000, 500, 99], False),
        ([5000], False),
    ],
)
def test_sections_and_clips_are_many_by_the_rule(sizes, expected):
    section = np.repeat([str(i) for i in range(len(sizes))], sizes)
    assert _networks.are_many(section) is expected


def test_without_sections_there_is_nothing_to_tell_apart():
    assert not _networks.are_many(None)


@pytest.fixture
def few_are_many(monkeypatch):
    """Small networks and a small rule; nothing else differs."""
    monkeypatch.setattr(_networks, "FEWEST_CLIPS", 36)
    monkeypatch.setattr(_networks, "FEWEST_CLIPS_OF_SECTION", 12)
    for name, embedder in (("MFNEmbedder", MFNEmbedder), ("DPTEmbedder", DPTEmbedder)):
        monkeypatch.setattr(
            _networks,
            name,
            lambda embedder=embedder, **more: embedder(max_epochs=1, patch_frames=16, **more),
        )


@pytest.fixture(scope="module")
def sounds():
    data = make_machine_sounds(
        n_train=12, n_test=6, n_sections=3, duration=0.4, domains=("source",), severity=2.0, random_state=0
    )
    train = (data.table["split"] == "train").to_numpy()
    return data.X, data.y, data.table["section"].to_numpy(), train


@pytest.mark.long
def test_networks_join_the_rows_and_all_else_goes_on(few_are_many, sounds, tmp_path):
    X, y, section, train = sounds
    detector = AnomalousSoundDetector(mode="best").fit(X[train], section=section[train])
    names = [name for name, _ in detector.steps_[0].transformer_list]
    assert names[-2:] == ["MFN", "DPT"]
    mfn = detector.steps_[0].transformer_list[-2][1]
    assert isinstance(mfn, SectionScores)
    assert mfn.embedders_[0].steps[0][1].dtype == "float16"
    assert list(detector.terms_)[-4:] == ["MFN whole", "MFN neighbours", "DPT whole", "DPT neighbours"]
    # the columns of the clips learnt from are those of the networks that did not learn them
    network_columns = detector.reference_["rows"][:, -12:]
    assert not np.isclose(network_columns[:, 0], mfn.transform(X[train])[:, 0]).any()
    scores = detector.decision_function(X[~train], section=section[~train])
    assert roc_auc_score(y[~train], scores) > 0.8
    skasd.save(detector, tmp_path / "detector.skasd")
    again = skasd.load(tmp_path / "detector.skasd")
    np.testing.assert_array_equal(again.score_samples(X[~train]), detector.score_samples(X[~train]))
    detector.update(X[~train][y[~train] == 1], section=section[~train][y[~train] == 1])
    assert detector.n_clips_ == 36 + int((y[~train] == 1).sum())
    with pytest.raises(ValueError, match=r"do not know \['99'\]: fit it again"):
        detector.update(X[:2], section=["99", "99"])
    assert detector.summary().endswith("networks: skasd, MFN, DPT")
