"""Several branches trained together: what they are fed, their classes, the exchange of their embeddings."""

import pickle
from functools import partial

import numpy as np
import pytest
import soundfile
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd import nn
from skasd.clips import ClipError, ClipWarning
from skasd.embedders import MultiBranchEmbedder
from skasd.features import PhaseTransformer, SpectrumTransformer, STFTTransformer
from skasd.scorers import KMeansScorer

STFT = STFTTransformer(n_fft=128, hop_length=64, center=False)
SMALL = {"branches": ("spectrum", ("stft", STFT)), "n_samples": 2048, "branch_dim": 32, "random_state": 0}
QUICK = SMALL | {"max_epochs": 1, "batch_size": 16}


def hums(n_per_section, random_state, shift=0.0):
    """Hums of four pitches, of any level, with three harmonics of any phase."""
    rng = np.random.default_rng(random_state)
    time = np.arange(2048) / 2048
    clips, section = [], []
    for s in range(4):
        for _ in range(n_per_section):
            pitch = 100 + 30 * s + shift
            hum = sum(
                rng.uniform(0.2, 1) * np.sin(2 * np.pi * (pitch * h * time + rng.uniform()))
                for h in (1, 2, 3)
            )
            clips.append(hum * rng.uniform(0.3, 3) + 0.2 * rng.normal(size=2048))
            section.append(f"s{s}")
    return np.asarray(clips, dtype=np.float32), np.array(section)


@pytest.fixture(scope="module")
def few():
    return hums(6, 0)


def weights(embedder):
    return np.concatenate([p.detach().numpy().ravel() for p in embedder.net_.module_.parameters()])


def test_training_beats_no_training_on_held_out_clips():
    X, section = hums(40, 0)
    normal, section_test = hums(12, 1)
    X_test = np.concatenate([normal, hums(12, 2, shift=15.0)[0]])
    y = np.repeat([1, -1], len(normal))
    auc, accuracy = {}, {}
    for epochs in (0, 12):
        embedder = MultiBranchEmbedder(**SMALL, batch_size=16, max_epochs=epochs).fit(X, section=section)
        scores = KMeansScorer().fit(embedder.transform(X)).score_samples(embedder.transform(X_test))
        assert len(np.unique(scores)) > len(scores) // 2
        auc[epochs] = roc_auc_score(y, scores)
        log_p = embedder.predict_log_proba(normal)
        accuracy[epochs] = np.mean(embedder.classes_[log_p.argmax(1)] == section_test)
    assert accuracy[12] > 0.9 > accuracy[0] + 0.3, accuracy
    assert auc[12] > 0.9 > auc[0] + 0.1, auc


def test_each_branch_sees_its_features(few):
    X, section = few
    branches = (
        "spectrum",
        ("stft", STFT),
        ("phase", PhaseTransformer(n_fft=128, hop_length=64, center=False)),
    )
    seen = []

    class Recording(MultiBranchEmbedder):
        def _make_batch(self, x, targets, generator):
            inputs, targets = super()._make_batch(x, targets, generator)
            seen.append((x, inputs))
            return inputs, targets

    params = QUICK | {"branches": branches, "mixing": None}
    embedder = Recording(**params, activation="prelu", optimizer="adamax").fit(X, section=section)
    assert list(embedder.transformers_) == ["spectrum", "stft", "phase"]
    assert embedder.transform(X).shape == (len(X), 3 * 32)
    for x, inputs in seen:
        waveforms = x[:, 0].numpy()
        np.testing.assert_array_equal(
            inputs["spectrum"], SpectrumTransformer(2048).transform(waveforms)[:, :, 0]
        )
        np.testing.assert_array_equal(inputs["stft"][:, 0], STFT.transform(waveforms))
        np.testing.assert_array_equal(inputs["phase"][:, 0], branches[2][1].transform(waveforms))
    np.testing.assert_array_equal(np.sort(np.concatenate([x[:, 0, 0] for x, _ in seen])), np.sort(X[:, 0]))
    assert not hasattr(STFT, "n_features_in_")


def test_default_features_are_those_of_the_paper():
    X = np.random.default_rng(0).normal(size=(4, 160_000)).astype(np.float32)
    embedder = MultiBranchEmbedder(max_epochs=0, random_state=0).fit(X, section=["a", "b", "a", "b"])
    inputs = embedder._features(torch.from_numpy(X[:1, None]))
    assert inputs["spectrum"].shape == (1, 80_000)
    assert inputs["stft"].shape == (1, 1, 513, 311)
    assert embedder.transform(X[:1]).shape == (1, 256)
    objective = embedder.net_.module_.objective
    assert objective.classification.n_subclusters == 16
    assert not objective.classification.weight.requires_grad
    assert objective.exchange.weight.requires_grad
    assert objective.exchange.n_classes == 3 * 2


def test_waveforms_are_mixed_before_features_are_computed(few):
    X, section = few
    seen = []

    def silence(x, y, *, generator, partner):
        seen.append(x.shape)
        return torch.zeros_like(x), y

    class Recording(MultiBranchEmbedder):
        def _make_batch(self, x, targets, generator):
            inputs, targets = super()._make_batch(x, targets, generator)
            assert all((value == 0).all() for value in inputs.values())
            return inputs, targets

    Recording(**QUICK | {"mixing": silence}).fit(X, section=section)
    assert seen == [(12, 1, 2048)] * 2
    mixed = MultiBranchEmbedder(**QUICK).fit(X, section=section)
    plain = MultiBranchEmbedder(**QUICK | {"mixing": None}).fit(X, section=section)
    assert not np.allclose(weights(mixed), weights(plain))


def test_classes_are_machine_attribute_and_domain(few):
    X, section = few
    embedder = MultiBranchEmbedder(**QUICK | {"max_epochs": 0})
    n = len(X)
    domain = np.where(np.arange(n) % 6 == 0, "target", "source")
    attribute = np.where(np.arange(n) % 2 == 0, "load_1", "load_2")
    assert list(embedder.fit(X, section=section).classes_) == ["s0", "s1", "s2", "s3"]
    assert list(embedder.fit(X, section).classes_) == ["s0", "s1", "s2", "s3"]
    assert len(embedder.fit(X, section=section, domain=domain).classes_) == 8
    joined = embedder.fit(X, section=section, domain=domain, attribute=attribute)
    assert len(joined.classes_) == 12  # target clips are all of load 1
    assert joined.classes_[0] == ("s0", "load_1", "source")
    assert list(embedder.fit(X, domain=domain, section=["a"] * n).classes_) == ["source", "target"]
    proxies = embedder.fit(X, proxy=section != "s0")
    assert len(proxies.classes_) == 2
    assert proxies.pseudo_labels_ is None
    clusters = embedder.fit(X, np.ones(n))
    assert clusters.pseudo_labels_.shape == (n,)
    assert len(clusters.classes_) >= 2


def test_feature_exchange_trains_a_head_of_its_own(few):
    X, section = few
    with_it = MultiBranchEmbedder(**QUICK).fit(X, section=section)
    without = MultiBranchEmbedder(**QUICK, feature_exchange=0.0).fit(X, section=section)
    assert without.net_.module_.objective.exchange is None
    one = MultiBranchEmbedder(**QUICK | {"branches": (("stft", STFT),)}).fit(X, section=section)
    assert one.net_.module_.objective.exchange is None
    objective = with_it.net_.module_.objective.train()
    target = {"label": torch.eye(4), "seed": torch.tensor([3])}
    branches = [torch.randn(4, 32), torch.randn(4, 32)]
    outputs = branches, torch.cat(branches, dim=1)
    full = objective(outputs, target)
    plain = objective.classification(outputs[1], target["label"])
    assert full > plain
    torch.testing.assert_close(objective.eval()(outputs, target), plain, rtol=0.2, atol=0.2)
    untrained = MultiBranchEmbedder(**QUICK | {"max_epochs": 0}).fit(X, section=section)
    a, b = (e.net_.module_.objective for e in (untrained, with_it))
    assert not torch.equal(a.exchange.weight, b.exchange.weight)
    assert torch.equal(a.classification.weight, b.classification.weight)
    learnt = MultiBranchEmbedder(**QUICK, loss=partial(nn.SubclusterAdaCos, trainable=True, n_subclusters=4))
    learnt.fit(X, section=section)
    assert learnt.net_.module_.objective.exchange.n_subclusters == 4


def test_fit_changes_weights_and_no_parameter(few):
    X, section = few
    embedder = MultiBranchEmbedder(**QUICK)
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = clone(embedder).set_params(max_epochs=0).fit(X, section=section)
    embedder.fit(X, section=section)
    pairs = zip(untrained.net_.module_.parameters(), embedder.net_.module_.parameters(), strict=True)
    assert not any(torch.equal(a, b) for a, b in pairs if a.requires_grad)
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}


def test_same_seed_same_result_and_no_global_chance(few):
    X, section = few
    embedder = MultiBranchEmbedder(**QUICK, output=("embedding", "log_proba"))
    state = torch.get_rng_state()
    first = clone(embedder).fit(X, section=section)
    rows = first.transform(X)
    torch.manual_seed(1)
    np.testing.assert_array_equal(clone(embedder).fit(X, section=section).transform(X), rows)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).transform(X), rows)
    torch.set_rng_state(state)
    assert not np.allclose(
        clone(embedder).set_params(random_state=1).fit(X, section=section).transform(X), rows
    )


def test_files_lists_and_arrays_give_the_same(few, tmp_path):
    X, section = few
    pcm = np.clip(X * 8000, -32768, 32767).astype(np.int16)
    paths = []
    for i, clip in enumerate(pcm):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], clip, 16_000)
    embedder = MultiBranchEmbedder(**QUICK)
    rows = clone(embedder).fit(pcm, section=section).transform(pcm)
    for other in (paths, list(pcm), (pcm / 32768).astype(np.float32)):
        np.testing.assert_array_equal(clone(embedder).fit(other, section=section).transform(other), rows)


def test_clips_of_other_lengths_are_repeated_or_cut_into_windows(few):
    X, section = few
    embedder = MultiBranchEmbedder(**QUICK, patch_hop=1024).fit(X, section=section)
    short = X[:2, :1500]
    repeated = np.concatenate([short, short], axis=1)[:, :2048]
    np.testing.assert_allclose(embedder.transform(short), embedder.transform(repeated), rtol=1e-4, atol=1e-4)
    long = np.concatenate([X[:1], X[1:2]], axis=1)
    windows = np.stack([long[0, s : s + 2048] for s in (0, 1024, 2048)])
    expected = embedder.transform(windows).mean(axis=0)
    np.testing.assert_allclose(embedder.transform(long)[0], expected, rtol=1e-3, atol=1e-4)
    ragged = [x[: 1000 + 40 * i] for i, x in enumerate(X)]
    assert MultiBranchEmbedder(**QUICK).fit(ragged, section=section).transform(ragged).shape == (len(X), 64)


def test_clips_that_cannot_be_used(few):
    X, section = few
    expected = MultiBranchEmbedder(**QUICK).fit(X[2:], section=section[2:])
    holes = X.copy()
    holes[:2] = np.nan
    with pytest.raises(ClipError, match="2 of 24 clips"):
        MultiBranchEmbedder(**QUICK).fit(holes, section=section)
    with pytest.warns(ClipWarning, match="2 of 24 clips"):
        fitted = MultiBranchEmbedder(**QUICK, on_error="skip").fit(holes, section=section)
    np.testing.assert_array_equal(weights(fitted), weights(expected))
    with pytest.warns(ClipWarning):
        rows = fitted.transform(holes)
    assert np.isnan(rows[:2]).all()
    np.testing.assert_array_equal(rows[2:], expected.transform(X[2:]))


def test_the_detector_of_the_paper_in_a_pipeline(few):
    X, section = few
    domain = np.where(np.arange(len(X)) % 6 == 0, "target", "source")
    detector = make_pipeline(MultiBranchEmbedder(**QUICK), KMeansScorer(n_clusters=4))
    detector.fit(
        X,
        multibranchembedder__section=section,
        multibranchembedder__domain=domain,
        kmeansscorer__domain=domain,
    )
    assert np.isfinite(detector.score_samples(X)).all()
    assert np.mean(detector.predict(X) == 1) > 0.7


def test_bad_arguments_are_named(few):
    X, section = few
    with pytest.raises(ValueError, match="'mel' is none of the kinds"):
        MultiBranchEmbedder(("spectrum", "mel"), 2048).fit(X, section=section)
    with pytest.raises(ValueError, match="branches is empty"):
        MultiBranchEmbedder((), 2048).fit(X, section=section)
    with pytest.raises(ValueError, match="attribute has 1 entries for 24 clips"):
        MultiBranchEmbedder(**QUICK).fit(X, section=section, attribute=["load"])
