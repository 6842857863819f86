"""Clips that the workers of a cluster read: the same results, and the same words about bad ones."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import soundfile
from joblib import parallel_config

from skasd import AnomalousSoundDetector, ClipStatistics, LogMelTransformer, PretrainedEmbedder
from skasd.clips import ClipError, Clips, ClipWarning

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def cluster():
    """Two workers, processes of their own."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for i in range(20):
        clip = random.normal(scale=0.1, size=(4000 + 100 * (i % 2), 1 + i % 3))
        soundfile.write(folder / f"{i:02d}.wav", clip, 16000 if i % 5 else 22050, subtype="FLOAT")
    return sorted(map(str, folder.iterdir()))


def in_cluster(function, *args):
    """Return what a function returns under dask's backend, and make sure that workers shared the clips out."""
    scheduler = distributed.get_client().cluster.scheduler
    before = scheduler.transition_counter
    with parallel_config("dask"):
        result = function(*args)
    # several parts for each worker, each of which waits, is worked on and done
    assert scheduler.transition_counter >= before + 3 * 4
    return result


@pytest.mark.slow
def test_features_rows_and_detectors_are_the_same(cluster, paths):
    for estimator in (LogMelTransformer(), PretrainedEmbedder(), LogMelTransformer(dtype="float64")):
        expected = estimator.fit_transform(paths)
        for found, known in zip(in_cluster(estimator.fit_transform, paths), expected, strict=True):
            np.testing.assert_array_equal(found, known)
    fitted = in_cluster(AnomalousSoundDetector(contamination=0.2).fit, paths)
    expected = AnomalousSoundDetector(contamination=0.2).fit(paths)
    assert fitted.threshold_ == expected.threshold_
    np.testing.assert_array_equal(in_cluster(fitted.score_samples, paths), expected.score_samples(paths))


@pytest.mark.slow
def test_bad_clips_are_listed_as_ever(cluster, paths, tmp_path):
    nan, text = str(tmp_path / "nan.wav"), str(tmp_path / "text.wav")
    soundfile.write(nan, np.full(4000, np.nan), 16000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    given = [*paths[:5], nan, *paths[5:9], text, paths[10], str(tmp_path / "absent.wav")]
    for files in (given, [path for path in given if path in {*paths, nan}]):
        with pytest.raises(ClipError) as known:
            LogMelTransformer().transform(files)
        with pytest.raises(ClipError) as found, parallel_config("dask"):
            LogMelTransformer().transform(files)
        assert str(found.value) == str(known.value)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ClipWarning)
            expected = PretrainedEmbedder(on_error="skip").fit(files).transform(files)
            rows = in_cluster(PretrainedEmbedder(on_error="skip").fit(files).transform, files)
        np.testing.assert_array_equal(rows, expected)
        assert np.isnan(rows).all(axis=1).sum() == len(files) - len(set(files) & set(paths))
        said = [str(each.message) for each in caught if issubclass(each.category, ClipWarning)]
        assert len(said) == 2
        assert said[0] == said[1]


class Slow(LogMelTransformer):
    """Takes its time over each batch."""

    def _write(self, clips, out, plans, **options):
        time.sleep(0.3)
        super()._write(clips, out, plans, **options)


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_changes_nothing(cluster, paths):
    many = paths * 3
    expected = LogMelTransformer().transform(many)
    victim = next(iter(cluster.run(os.getpid).values()))
    timer = threading.Timer(1.0, os.kill, [victim, signal.SIGKILL])
    timer.start()
    found = in_cluster(Slow().transform, many)
    assert not timer.is_alive()  # it was in the middle
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert victim not in cluster.run(os.getpid).values()


def test_threads_are_taken_where_no_other_backend_is_named(paths):
    def write(clips, out, prepared, **options):
        assert prepared == "prepared"
        out[:] = clips.map(lambda i, waveform: waveform.sum(), **options)

    expected = [waveform.sum() for waveform in Clips(paths)]
    for backend in (None, "threading", "sequential"):
        sums = np.zeros(len(paths))
        with parallel_config(backend, n_jobs=2) if backend else parallel_config(n_jobs=2):
            Clips(paths).fill(sums, write, "prepared")
        np.testing.assert_array_equal(sums, np.float64(expected))


def test_a_small_cluster_gives_the_same(paths):
    estimator = LogMelTransformer(n_mels=8)
    expected = ClipStatistics().fit_transform(estimator.transform(paths))
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        found = ClipStatistics().fit_transform(in_cluster(estimator.transform, paths))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow  # processes take their time to start
def test_processes_of_joblib_give_the_same(paths):
    estimator = LogMelTransformer(n_mels=8)
    expected = ClipStatistics().fit_transform(estimator.transform(paths))
    with parallel_config("loky", n_jobs=2):
        found = ClipStatistics().fit_transform(estimator.transform(paths))
    np.testing.assert_array_equal(found, expected)
