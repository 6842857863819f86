"""The outlier-exposed variational autoencoder: what its latents hold, its batches, its scores."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skasd.augment import MixupSMOTEAugmenter
from skasd.embedders import EarlyStopping, OEVAEEmbedder
from skasd.embedders._exposure import attribute_values, held_out_clips, mean_power_levels
from skasd.embedders._patches import ClipSegments
from skasd.scorers import OEVAEScorer

from .conftest import make_clips

SMALL = {"embedding_dim": 64, "width": 8, "patch_frames": 16, "n_segments": 4, "random_state": 0}
QUICK = SMALL | {"max_epochs": 2, "batch_size": 32}
BOTH = ("alpha", "embedding")


def weights(embedder):
    return np.concatenate([p.detach().numpy().ravel() for p in embedder.net_.module_.parameters()])


def make_machines(n_clips, random_state):
    """Three machines; a load of 0, 1 or 2 raises a band of their spectra."""
    X, section = make_clips(n_clips, 3, random_state, 0.2)
    load = np.random.default_rng(random_state).integers(0, 3, len(X)).astype(float)
    band = np.exp(-0.5 * ((np.arange(X.shape[1]) - 16) / 3) ** 2)
    X += (3 * load[:, None] * band).astype(np.float32)[:, :, None]
    return X, section, load


@pytest.fixture(scope="module")
def machines():
    return make_machines(24, 0)


PROBED = SMALL | {"max_epochs": 60, "batch_size": 32, "output": (*BOTH, "latent")}


def train(**params):
    X, section, load = make_machines(60, 0)
    embedder = OEVAEEmbedder(**PROBED | params).fit(X, proxy=section != "s0", attribute=load)
    return embedder, X, section != "s0", load


@pytest.fixture(scope="module")
def trained():
    return train()


def probe(embedder, X, proxy, load):
    """Return R2 of the load as a linear probe reads it from bound and from free latents of held-out clips.

    Latents are drawn, as the decoder gets them: on their means a probe reads what drowns in that noise.
    """
    X_test, section_test, load_test = make_machines(24, 1)
    own = section_test == "s0"
    oevae = embedder.net_.module_.objective.oevae.eval()
    generator = torch.Generator().manual_seed(0)

    def draw(clips):
        embedding = torch.from_numpy(embedder.transform(clips)[:, 1:65])
        with torch.no_grad():
            mean, log_variance = oevae.encode(embedding)
            noise = torch.randn(mean.shape, generator=generator)
            return (mean + (0.5 * log_variance).exp() * noise).numpy()

    drawn, drawn_test = draw(X[~proxy]), draw(X_test[own])
    r2 = [
        Ridge(1.0).fit(drawn[:, columns], load[~proxy]).score(drawn_test[:, columns], load_test[own])
        for columns in (slice(0, 8), slice(8, 64))
    ]
    return r2, embedder.transform(X[~proxy])[:, -64:-56]


def test_free_latents_know_less_of_the_attribute_than_bound_ones(trained):
    embedder, _, proxy, load = trained
    assert embedder.lambda_vae == 1e-3
    (bound, free), latents = probe(*trained)
    assert bound > 0.6, (bound, free)
    assert free < 0, (bound, free)
    # the bound ones follow their prior: 5 apart for neighbouring loads
    means = [latents[load[~proxy] == v].mean() for v in (0, 1, 2)]
    np.testing.assert_allclose(np.diff(means), embedder.attribute_gain_, rtol=0.4)


def test_latents_do_not_part_at_the_weight_of_the_report():
    embedder, X, proxy, load = train(lambda_vae=1e-7, standardize_embedding=False)
    (bound, free), latents = probe(embedder, X, proxy, load)
    assert bound < 0.3, (bound, free)
    means = [latents[load[~proxy] == v].mean() for v in (0, 1, 2)]
    assert np.diff(means).max() < embedder.attribute_gain_ / 2


def test_proxies_score_above_held_out_normals_after_training(trained):
    embedder, X, proxy, load = trained
    X_test, section_test, _ = make_machines(24, 1)
    untrained = clone(embedder).set_params(max_epochs=0).fit(X, proxy=proxy, attribute=load)
    pairs = [[fitted.transform(x)[:, :65] for x in (X, X_test)] for fitted in (embedder, untrained)]
    for omega in (0.0, 0.5, 1.0, "auto"):
        auc = []
        for rows, rows_test in pairs:
            scores = OEVAEScorer(omega).fit(rows, proxy=proxy).anomaly_score(rows_test)
            assert len(np.unique(scores)) == len(scores)
            auc.append(roc_auc_score(section_test != "s0", scores))
        assert auc[0] > 0.95, (omega, auc)
        assert auc[0] > auc[1] + 0.1, (omega, auc)


def test_outputs_are_means_over_segments(trained):
    embedder, X, _, _ = trained
    full = clone(embedder).set_params(
        output=("alpha", "latent", "log_proba", "embedding"), max_epochs=1, standardize_alpha=False
    )
    rows = full.fit(X, proxy=np.arange(len(X)) % 2 == 0).transform(X)
    assert rows.shape == (len(X), 1 + 64 + 2 + 64)
    starts = (0, 8, 16, 24)
    each = np.stack([full.transform(X[:, :, s : s + 16]) for s in starts])
    np.testing.assert_allclose(rows, each.mean(0), rtol=1e-3, atol=1e-3)
    free = each[:, :, 9:65].astype(float)
    alpha = 0.5 * (free**2).sum(-1) + 28 * math.log(2 * math.pi)
    np.testing.assert_allclose(each[:, :, 0], alpha, rtol=1e-5)
    np.testing.assert_allclose(np.exp(each[:, :, 65:67]).sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(full.predict_log_proba(X), rows[:, 65:67], atol=1e-5)


def test_segments_side_by_side(machines):
    X, section, load = machines
    embedder = OEVAEEmbedder(**QUICK, output=BOTH).fit(X, proxy=section != "s0", attribute=load)
    mean, deviation = embedder.transform(X), clone(embedder).set_params(merge="std")
    embedder.set_params(merge=("segments", "mean"))
    rows = embedder.transform(X)
    assert rows.shape == (len(X), 1 + 4 * 64 + 64)
    np.testing.assert_allclose(rows[:, 1:257].reshape(-1, 4, 64).mean(1), mean[:, 1:], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(rows[:, [0, *range(257, 321)]], mean)
    # of three segments, or one, some stand there more than once
    short = embedder.transform([X[0][:, :18], X[1][:, :5]])[:, 1:257].reshape(2, 4, 64)
    np.testing.assert_array_equal(short[0, 0], short[0, 1])
    assert len(np.unique(short[0], axis=0)) == 3
    assert len(np.unique(short[1], axis=0)) == 1
    with pytest.raises(ValueError, match="use one or several of"):
        deviation.set_params(merge=("segments", "median")).fit(X, proxy=section != "s0")


def test_segments_cover_the_clips(machines):
    X = machines[0][:3]
    index, start = ClipSegments(X, 16, 8).grid(None)
    assert list(index) == [0] * 8 + [1] * 8 + [2] * 8
    assert start[0] == 0
    assert start[7] == 40 - 16
    assert set(np.diff(start[:8])) <= {3, 4}
    index, start = ClipSegments([X[0], X[1][:, :18], X[2][:, :5]], 16, 8).grid(None)
    assert list(np.bincount(index)) == [8, 3, 1]
    assert list(start[8:]) == [0, 1, 2, 0]


def test_batches_hold_as_many_proxies_as_clips_of_the_machine(machines):
    X, section, load = machines
    seen = []

    class Recording(OEVAEEmbedder):
        def _make_batch(self, x, targets, generator):
            x, targets = super()._make_batch(x, targets, generator)
            seen.append({name: value.clone() for name, value in targets.items()})
            return x, targets

    params = QUICK | {"max_epochs": 3}
    Recording(**params).fit(X, proxy=section != "s0", attribute=load)
    assert [batch["label"].mean().item() for batch in seen] == [0.5] * 6  # 22 clips, 3 times, 11 a batch
    assert not torch.cat([batch["held_out"] for batch in seen]).any()
    trained_on = (section == "s0") & ~held_out_clips(section == "s0", 0.1)
    counts = np.unique(
        torch.cat([b["attribute"][b["label"] == 1] for b in seen]).numpy(), return_counts=True
    )[1]
    np.testing.assert_array_equal(counts, 3 * np.unique(load[trained_on], return_counts=True)[1])
    assert all(abs(batch["noise"].std().item() - 1) < 0.2 for batch in seen)
    seen.clear()
    Recording(**params).fit(X, section=section)
    assert sum(len(batch["label"]) for batch in seen) == 3 * (len(X) - 7)
    assert all(batch["label"].shape[1] == 3 for batch in seen)


def test_what_stands_in_for_anomalies(machines):
    X, section, load = machines
    embedder = OEVAEEmbedder(**QUICK)
    by_proxy = clone(embedder).fit(X, proxy=section != "s0", attribute=load)
    by_section = clone(embedder).set_params(target_section="s0").fit(X, section=section, attribute=load)
    np.testing.assert_array_equal(weights(by_proxy), weights(by_section))
    assert by_proxy.exposed_to_ == "proxies"
    assert list(by_proxy.classes_) == ["proxy", "target"]
    assert by_proxy.predict_log_proba(X).shape == (len(X), 2)
    others = clone(embedder).fit(X, section=section)
    assert others.exposed_to_ == "sections"
    assert list(others.classes_) == ["s0", "s1", "s2"]
    pseudo = clone(embedder).fit(X)
    assert pseudo.pseudo_labels_.shape == (len(X),)
    with pytest.raises(ValueError, match="none of n_samples=72 is of the machine"):
        clone(embedder).set_params(target_section="s9").fit(X, section=section)
    with pytest.raises(ValueError, match="but no section= was given"):
        clone(embedder).set_params(target_section="s0").fit(X)


def test_sections_are_told_apart_by_their_own_log_odds(machines):
    X, section, _ = machines
    X_test, section_test, _ = make_machines(12, 1)
    accuracy = {}
    for epochs in (0, 15):
        embedder = OEVAEEmbedder(**SMALL, max_epochs=epochs, batch_size=32)
        log_p = embedder.fit(X, section=section).predict_log_proba(X_test)
        accuracy[epochs] = np.mean(embedder.classes_[log_p.argmax(1)] == section_test)
    assert accuracy[15] > 0.9 > accuracy[0] + 0.2, accuracy


def test_attributes_become_numbers():
    normal = np.array([True, True, True, False])
    values = attribute_values(np.array([10.0, 20, 30, "other machine's"], dtype=object), normal)
    np.testing.assert_allclose(values, [-10, 0, 10, 0])
    values = attribute_values(np.array(["vel_8", "vel_12", "vel_12", 3], dtype=object), normal)
    np.testing.assert_allclose(values, [2 / 3, -1 / 3, -1 / 3, 0])  # sorted as strings: vel_12, vel_8
    many = attribute_values(np.linspace(0, 100, 501).astype(object), np.ones(501, dtype=bool))
    assert len(np.unique(many.round(6))) == 21
    with pytest.raises(ValueError, match="attribute must be finite"):
        attribute_values(np.array([1.0, np.inf, 2.0, 3.0], dtype=object), normal)


def test_without_attributes_it_is_the_mean_power(machines):
    X, section, _ = machines
    levels = mean_power_levels(X, section == "s0")
    power = X.mean(axis=(1, 2))
    own = power[section == "s0"]
    np.testing.assert_array_equal(levels, np.clip(np.rint((power - own.mean()) / own.std()), -3, 3))
    embedder = OEVAEEmbedder(**QUICK).fit(X, proxy=section != "s0")
    same = OEVAEEmbedder(**QUICK).fit(X, proxy=section != "s0", attribute=levels)
    np.testing.assert_array_equal(weights(embedder), weights(same))
    assert embedder.attribute_gain_ == 5
    assert OEVAEEmbedder(**QUICK, attribute_gain=2.0).fit(X).attribute_gain_ == 2


def test_skipped_clips_fit_and_seeds(machines):
    X, section, load = machines
    proxy = section != "s0"
    embedder = OEVAEEmbedder(**QUICK, output=BOTH)
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    expected = embedder.fit(X[2:], proxy=proxy[2:], attribute=load[2:])
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = clone(embedder).set_params(max_epochs=0).fit(X[2:], proxy=proxy[2:], attribute=load[2:])
    pairs = zip(untrained.net_.module_.parameters(), expected.net_.module_.parameters(), strict=True)
    assert not any(torch.equal(a, b) for a, b in pairs)  # classifier, autoencoder and every layer before them
    holes = X.copy()
    holes[:2] = np.nan
    state = torch.get_rng_state()
    fitted = clone(embedder).fit(holes, proxy=proxy, attribute=load)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(weights(fitted), weights(expected))
    rows = fitted.transform(holes)
    assert np.isnan(rows[:2]).all()
    np.testing.assert_array_equal(rows[2:], pickle.loads(pickle.dumps(expected)).transform(X[2:]))
    other = clone(embedder).set_params(random_state=1).fit(X, proxy=proxy, attribute=load)
    assert not np.allclose(other.transform(X)[2:], rows[2:])


class Doubled(BaseEstimator):
    """Adds each clip a second time, a little louder."""

    def augment(self, X, y=None, **metadata):
        twice = {name: None if v is None else np.concatenate([v, v]) for name, v in metadata.items()}
        return np.concatenate([X, X + 1]), y, twice


def test_augmented_clips_bring_their_attributes(machines):
    X, section, load = machines
    embedder = OEVAEEmbedder(**QUICK, augmenter=Doubled(), standardize_alpha=False)
    embedder.fit(X, proxy=section != "s0", attribute=load)
    n_seen = sum(batch["train_batch_size"] for batch in embedder.net_.history[0]["batches"])
    assert n_seen == 2 * 2 * 24


def test_held_out_clips_are_runs_of_neighbours():
    is_normal = np.arange(120) % 3 == 0
    held_out = held_out_clips(is_normal, 0.2)
    assert (held_out <= is_normal).all()
    np.testing.assert_array_equal(np.flatnonzero(held_out[is_normal]), [8, 9, 18, 19, 28, 29, 38, 39])
    for n_clips, share, expected in [
        (14, 0.1, 0),
        (15, 0.1, 2),
        (73, 0.1, 7),
        (4, 0.5, 2),
        (4, 0.9, 0),
        (3, 0.5, 0),
    ]:
        assert held_out_clips(np.ones(n_clips, dtype=bool), share).sum() == expected


@pytest.mark.parametrize(
    "augmenter", [None, Doubled(), MixupSMOTEAugmenter(sampling_strategy=1.0, random_state=0)]
)
@pytest.mark.parametrize("callbacks", [None, [EarlyStopping(patience=1)]], ids=["all epochs", "early"])
def test_alpha_is_standardised_by_clips_that_are_not_trained_on(machines, augmenter, callbacks):
    X, section, load = machines
    proxy, domain = section != "s0", np.where(np.arange(len(X)) % 8, "source", "target")
    held_out = held_out_clips(~proxy & (domain == "source"), 0.1)
    assert held_out.sum() == 2  # of 21, and none of the three target clips
    params = QUICK | {"output": BOTH, "augmenter": augmenter, "callbacks": callbacks}
    embedder = OEVAEEmbedder(**params).fit(X, proxy=proxy, attribute=load, domain=domain)
    assert embedder.n_held_out_ == 2
    alpha = embedder.transform(X)[held_out, 0]
    np.testing.assert_allclose([alpha.mean(), alpha.std()], [0, 1], atol=0.01)
    # their sound reaches neither weights nor running statistics
    other = X.copy()
    other[held_out] = np.random.default_rng(5).permuted(other[held_out], axis=1)
    again = clone(embedder).set_params(standardize_input=None)
    first, second = (clone(again).fit(x, proxy=proxy, attribute=load, domain=domain) for x in (X, other))
    for a, b in zip(
        first.net_.module_.state_dict().values(), second.net_.module_.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)


def test_without_clips_to_spare_alpha_is_standardised_by_those_trained_on(machines):
    X, section, load = machines
    few = np.r_[:10, 24:48]
    proxy = (section != "s0")[few]
    embedder = OEVAEEmbedder(**QUICK, output="alpha").fit(X[few], proxy=proxy, attribute=load[few])
    assert embedder.n_held_out_ == 0
    alpha = embedder.transform(X[few])[~proxy, 0]
    np.testing.assert_allclose([alpha.mean(), alpha.std()], [0, 1], atol=0.01)
    raw = clone(embedder).set_params(standardize_alpha=False).fit(X[few], proxy=proxy, attribute=load[few])
    assert (raw.alpha_mean_, raw.alpha_scale_) == (0, 1)
    expected = embedder.alpha_mean_ + embedder.alpha_scale_ * embedder.transform(X[few])
    np.testing.assert_allclose(raw.transform(X[few]), expected, rtol=1e-4)


def test_omega_can_be_searched_over(machines):
    X, section, load = machines
    proxy = section != "s0"
    detector = make_pipeline(OEVAEEmbedder(**QUICK, output=BOTH), OEVAEScorer())
    detector.fit(X, oevaeembedder__proxy=proxy, oevaeembedder__attribute=load, oevaescorer__proxy=proxy)
    rows = detector[0].transform(X)
    own = np.flatnonzero(~proxy)
    search = GridSearchCV(
        OEVAEScorer(),
        {"omega": [0.0, 0.5, 1.0]},
        scoring="roc_auc",
        cv=[(own[:12], np.r_[own[12:], np.flatnonzero(proxy)])],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the refit meets the proxies, which y marks
        search.fit(rows, np.where(proxy, -1, 1))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    scores = [detector.set_params(oevaescorer__omega=omega).score_samples(X) for omega in (0.0, 1.0)]
    np.testing.assert_allclose(scores[1], -rows[:, 0])
    assert not np.allclose(scores[0], scores[1])


def test_bad_arguments_are_named(machines):
    X, section, load = machines
    with pytest.raises(ValueError, match="domain_dim=64 of latent_dim=64"):
        OEVAEEmbedder(**QUICK, domain_dim=64).fit(X, section=section)
    with pytest.raises(ValueError, match="attribute has 71 entries for 72 clips"):
        OEVAEEmbedder(**QUICK).fit(X, section=section, attribute=load[1:])
    with pytest.raises(ValueError, match="use one or several of"):
        OEVAEEmbedder(**QUICK, output="beta").fit(X, section=section)
