from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestCentroid

from skasd.datasets import load_dcase, make_machine_sounds, write_machine_sounds
from skasd.datasets._rotor import FAULTS, Rotor

COLUMNS = [
    "machine",
    "section",
    "domain",
    "split",
    "set",
    "y",
    "attribute",
    "attributes",
    "fault",
    "severity",
]


def small(**parameters):
    return make_machine_sounds(
        **{"n_train": 6, "n_test": 8, "duration": 0.25, "random_state": 0, **parameters}
    )


def band_levels(X):
    """Return mean and standard deviation over time of the level in some 40 bands, in dB."""
    f, _, S = signal.stft(X, 16000, nperseg=1024, noverlap=512, boundary=None, padded=False)
    edges = np.unique(np.searchsorted(f, np.geomspace(20, 8000, 49)))
    power = np.add.reduceat(np.abs(S) ** 2, edges[:-1], axis=1)
    levels = 10 * np.log10(power + 1e-12)
    return np.hstack([levels.mean(axis=2), levels.std(axis=2)])


def test_what_comes_back():
    data = small(n_train=40, n_test=8)
    assert data.X.shape == (48, 4000)
    assert data.X.dtype == np.float32
    assert 0.01 < data.X.std() < 0.2
    assert np.abs(data.X).max() < 1
    assert list(data.table.columns) == COLUMNS
    assert data.y.tolist() == data.table.y.tolist()
    assert data.sample_rate == 16000
    assert "computed, not recorded" in data.DESCR
    counts = data.table.groupby(["split", "domain", "y"]).size().to_dict()
    assert counts == {
        ("train", "source", 1): 38,
        ("train", "target", 1): 2,
        ("test", "source", 1): 2,
        ("test", "source", -1): 2,
        ("test", "target", 1): 2,
        ("test", "target", -1): 2,
    }
    healthy = data.table.y == 1
    assert set(data.table.fault[healthy]) == {""}
    assert set(data.table.severity[healthy]) == {0.0}
    assert set(data.table.severity[~healthy]) == {0.5}
    noise = [attributes["noise"] for attributes in data.table.attributes]
    assert noise == data.table.domain.map({"source": "A", "target": "B"}).tolist()


@settings(max_examples=25, deadline=None)
@given(
    n_train=st.integers(1, 7),
    n_test=st.integers(0, 7),
    n_sections=st.integers(1, 2),
    machine=st.sampled_from(["fan", ["fan", "pump"]]),
    domains=st.sampled_from([("source", "target"), ("source",), "target"]),
    anomaly_fraction=st.floats(0, 1),
)
def test_counts(n_train, n_test, n_sections, machine, domains, anomaly_fraction):
    data = make_machine_sounds(
        n_train,
        n_test,
        n_sections=n_sections,
        machine=machine,
        domains=domains,
        anomaly_fraction=anomaly_fraction,
        duration=0.01,
        random_state=0,
    )
    n_units = n_sections * (1 if machine == "fan" else 2)
    table = data.table
    assert len(data.X) == len(table) == len(data.y) == n_units * (n_train + n_test)
    assert (table.split == "train").sum() == n_units * n_train
    assert (data.y == -1).sum() == n_units * round(anomaly_fraction * n_test)
    assert set(table.domain) <= ({domains} if isinstance(domains, str) else set(domains))
    assert not (table.query("split == 'train'").y == -1).any()


def test_same_seed_same_sounds_whatever_the_jobs():
    first = small(n_sections=2)
    for n_jobs in (None, 2):
        again = small(n_sections=2, n_jobs=n_jobs)
        np.testing.assert_array_equal(first.X, again.X)
        pd.testing.assert_frame_equal(first.table, again.table)
    assert not np.array_equal(first.X, small(n_sections=2, random_state=1).X)
    one, two = (small(random_state=np.random.RandomState(7)).X for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(small(random_state=None).X, small(random_state=None).X)


def test_a_clip_does_not_depend_on_how_many_there_are():
    few = small(n_target_train=2, domains=("source", "target"))
    many = small(n_train=9, n_test=16, n_target_train=4, n_sections=2, machine=["fan", "gearbox"])
    for role, part in few.table.groupby(["split", "y", "domain"]):
        same = many.table.query("machine == 'gearbox' and section == '00'")
        same = same[(same.split == role[0]) & (same.y == role[1]) & (same.domain == role[2])]
        np.testing.assert_array_equal(few.X[part.index], many.X[same.index[: len(part)]])


def test_no_two_clips_are_alike():
    data = small(n_sections=2, machine=["fan", "pump"])
    assert len(np.unique(data.X, axis=0)) == len(data.X)


def test_without_severity_a_fault_changes_nothing():
    sounds = [small(fault=fault, severity=0.0).X for fault in FAULTS]
    for X in sounds[1:]:
        np.testing.assert_allclose(X, sounds[0], atol=1e-6)
    assert np.abs(small(fault="gear", severity=1.0).X - sounds[0]).max() > 1e-3


def test_severity_and_faults_take_turns():
    data = small(n_test=16, severity=[0.2, 0.8], fault=["gear", "imbalance"], domains="source")
    anomalous = data.table[data.y == -1]
    assert anomalous.fault.tolist() == ["gear", "imbalance"] * 4
    assert anomalous.severity.tolist() == [0.2, 0.2, 0.8, 0.8] * 2


def test_level_of_the_background():
    """The machine stands out of the background by the snr asked for."""
    loud = make_machine_sounds(40, 0, duration=0.5, snr=100.0, domains="source", random_state=0).X
    for snr in (0.0, 10.0):
        X = make_machine_sounds(40, 0, duration=0.5, snr=snr, domains="source", random_state=0).X
        measured = 20 * np.log10(loud.std(axis=1) / (X - loud).std(axis=1))
        assert abs(np.median(measured) - snr) < 3


def spectrum(x):
    return np.abs(np.fft.rfft(x * signal.windows.hann(len(x)))) ** 2


def line(power, frequency, n, sample_rate=16000, width=0.012):
    """Return how far a spectral line stands above what is around it, in dB."""
    f = np.fft.rfftfreq(n, 1 / sample_rate)
    peak = power[np.abs(f - frequency) <= width * frequency].max()
    around = power[
        (np.abs(f - frequency) < 0.25 * frequency) & (np.abs(f - frequency) > 2 * width * frequency)
    ]
    return 10 * np.log10(peak / np.median(around))


@pytest.fixture(scope="module")
def rotor():
    return Rotor("gearbox", 0, 16000, 4 * 16000)


def hear(rotor, fault=None, severity=0.0, i=0, snr=20.0):
    return rotor.sound(np.random.SeedSequence(0, spawn_key=(i,)), "source", snr, fault, severity)


def test_healthy_spectrum_has_shaft_and_mesh(rotor):
    x, conditions = hear(rotor)
    for order in (1, 2, rotor.n_teeth):
        assert line(spectrum(x), order * conditions.speed, len(x)) > 15


def test_bearing_fault_shows_at_the_ball_pass_frequency(rotor):
    band = signal.butter(4, np.array([0.85, 1.15]) * rotor.resonance, "bandpass", fs=16000, output="sos")
    faulty, healthy = [], []
    for i in range(3):
        for found, severity in ((healthy, 0.0), (faulty, 2.0)):
            x, conditions = hear(rotor, "bearing", severity, i)
            envelope = np.abs(signal.hilbert(signal.sosfilt(band, x)))
            passing = rotor.outer_race_order * conditions.speed
            found.append(line(spectrum(envelope - envelope.mean()), passing, len(x), width=0.02))
    assert min(faulty) > max(healthy) + 6


def test_gear_fault_modulates_the_mesh_once_a_revolution(rotor):
    x, conditions = hear(rotor, "gear", 2.0)
    y, _ = hear(rotor)
    mesh = rotor.n_teeth * conditions.speed
    f = np.fft.rfftfreq(len(x), 1 / 16000)
    for k in (-3, 3):
        near = np.abs(f - mesh - k * conditions.speed) < 0.3 * conditions.speed
        assert spectrum(x)[near].max() > 10 * spectrum(y)[near].max()


def test_imbalance_raises_the_first_order_by_speed_squared(rotor):
    rise = {}
    for i in range(8):
        (x, conditions), (y, _) = hear(rotor, "imbalance", 3.0, i), hear(rotor, i=i)
        f = np.fft.rfftfreq(len(x), 1 / 16000)
        first = np.abs(f - conditions.speed) < 0.1 * conditions.speed
        added = np.sqrt(spectrum(x - y)[first].sum())  # all of the line, which wanders
        assert spectrum(x)[first].max() > 4 * spectrum(y)[first].max()
        rise.setdefault(round(conditions.speed / rotor.speed, 1), []).append(added)
    assert np.mean(rise[1.1]) / np.mean(rise[1.0]) == pytest.approx(1.1**2, rel=0.1)


def test_looseness_brings_half_orders(rotor):
    x, conditions = hear(rotor, "looseness", 1.0)
    y, _ = hear(rotor)
    for order in (0.5, 1.5):
        assert line(spectrum(x), order * conditions.speed, len(x)) > 15
        assert line(spectrum(y), order * conditions.speed, len(y)) < 15


def aucs(data):
    """Source and target AUC, as in the challenge, of a Mahalanobis distance on the levels in bands."""
    levels = band_levels(data.X)
    train = (data.table.split == "train").to_numpy()
    score = LedoitWolf().fit(levels[train]).mahalanobis(levels)
    for domain in ("source", "target"):
        chosen = ~train & ((data.table.domain == domain).to_numpy() | (data.y == -1))
        yield roc_auc_score(data.y[chosen] == -1, score[chosen])


def test_defaults_are_neither_trivial_nor_hopeless():
    source, target = aucs(make_machine_sounds(random_state=0))
    assert 0.8 < source < 0.999
    assert 0.6 < target < source


@pytest.mark.parametrize("fault", FAULTS)
def test_severe_faults_are_easier(fault):
    found = []
    for severity in (0.25, 0.5, 1.0):
        data = make_machine_sounds(
            100, 160, fault=fault, severity=severity, domains="source", duration=1.0, random_state=0
        )
        levels = band_levels(data.X)
        train = (data.table.split == "train").to_numpy()
        score = LedoitWolf().fit(levels[train]).mahalanobis(levels[~train])
        found.append(roc_auc_score(data.y[~train] == -1, score))
    assert all(low < high for low, high in pairwise(found)), found
    assert found[-1] > 0.9


def test_more_target_clips_help_the_target():
    target = [
        list(aucs(make_machine_sounds(100, 120, n_target_train=n, duration=1.0, random_state=1)))[1]
        for n in (2, 50)
    ]
    assert target[1] > target[0] + 0.05


def test_sections_and_machines_differ():
    data = make_machine_sounds(
        12,
        12,
        machine=["fan", "pump"],
        n_sections=4,
        anomaly_fraction=0,
        domains="source",
        duration=1.0,
        random_state=0,
    )
    unit = data.table.machine + data.table.section
    levels = band_levels(data.X)
    train = (data.table.split == "train").to_numpy()
    scale = levels[train].std(axis=0)
    nearest = NearestCentroid().fit(levels[train] / scale, unit[train])
    assert nearest.score(levels[~train] / scale, unit[~train]) > 0.95


def test_written_files_load_again(tmp_path):
    written = write_machine_sounds(
        tmp_path, 4, 4, machine=["fan", "pump"], n_sections=2, duration=0.05, random_state=0
    )
    data = make_machine_sounds(4, 4, machine=["fan", "pump"], n_sections=2, duration=0.05, random_state=0)
    for path, x in zip(written.path, data.X, strict=True):
        y, rate = soundfile.read(path, dtype="float32")
        assert rate == 16000
        np.testing.assert_allclose(y, x, atol=2**-15)
    loaded = load_dcase(tmp_path).set_index("path").loc[written.path].reset_index()
    columns = ["path", *COLUMNS[:-2]]
    pd.testing.assert_frame_equal(loaded[columns], written[columns])
    head = (tmp_path / "dev_data/fan/attributes_01.csv").read_text().splitlines()
    assert head[0] == "file_name,d1p,d1v,d2p,d2v,d3p,d3v"
    assert len(head) == 1 + 8
    assert head[1].startswith("fan/train/section_01_source_train_normal_0000_spd_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fault": "crack"}, "fault='crack' is not one of"),
        ({"fault": []}, "fault="),
        ({"severity": -0.5}, "severity"),
        ({"severity": [0.5, np.nan]}, "severity="),
        ({"machine": []}, "machine="),
        ({"machine": ["fan", "fan"]}, "different names"),
        ({"domains": ("source", "moon")}, "domains="),
        ({"domains": ()}, "domains="),
        ({"n_target_train": 7}, "n_target_train=7 is more than n_train=6"),
        ({"n_target_train": 1, "domains": "source"}, "has no target"),
        ({"n_train": -1}, "n_train"),
        ({"n_train": 0, "n_test": 0}, "no clips"),
        ({"duration": 0}, "duration"),
        ({"duration": 1e-4}, "samples; need 16 or more"),
        ({"anomaly_fraction": 1.5}, "anomaly_fraction"),
        ({"n_sections": 0}, "n_sections"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["fan", "gearbox", "pump", "slider", "valve"])
def test_difficulty_of_the_defaults_with_log_mel(machine):
    """Mahalanobis on log-mel mean and standard deviation: above chance, below perfect, target harder."""
    librosa = pytest.importorskip("librosa")
    data = make_machine_sounds(200, 400, machine=machine, random_state=0)
    basis = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=128)
    power = (np.abs(librosa.stft(x, n_fft=1024, hop_length=512)) ** 2 for x in data.X)
    levels = [10 * np.log10(basis @ p + 1e-12) for p in power]
    features = np.array([np.r_[level.mean(axis=1), level.std(axis=1)] for level in levels])
    train = (data.table.split == "train").to_numpy()
    score = LedoitWolf().fit(features[train]).mahalanobis(features)
    assert 0.83 < roc_auc_score(data.y[~train] == -1, score[~train]) < 0.97
