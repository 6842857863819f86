"""Work goes on without the clips that cannot be used, and says which they were."""

import numpy as np
import pytest
import soundfile

from skasd import ClipStatistics, LogMelTransformer
from skasd.clips import ClipError, leave_out_bad

FRONT = LogMelTransformer(n_fft=64, hop_length=32, n_mels=8, sample_rate=2000)


@pytest.fixture
def files(tmp_path):
    paths = []
    for i in range(5):
        paths.append(str(tmp_path / f"{i}.wav"))
        soundfile.write(paths[-1], np.random.default_rng(i).normal(scale=0.1, size=500), 2000)
    for i in (1, 4):
        (tmp_path / f"{i}.wav").write_bytes(b"no sound")
    return paths


def test_the_others_are_used(files):
    calls = []

    def transform(clips, rows):
        calls.append((list(clips), rows.tolist()))
        return FRONT.transform(clips)

    features, rows, causes = leave_out_bad(transform, files)
    assert calls == [([files[0], files[2], files[3]], [0, 2, 3])]  # none is read twice
    assert rows.tolist() == [0, 2, 3]
    assert sorted(causes) == [1, 4]
    assert all("not an audio file" in cause for cause in causes.values())
    np.testing.assert_array_equal(features, FRONT.transform([files[i] for i in rows]))


def test_arrays(files):
    X = np.random.default_rng(0).normal(size=(4, 500))
    X[2, 7] = np.nan
    _, rows, causes = leave_out_bad(lambda clips, rows: FRONT.transform(clips), X)
    assert rows.tolist() == [0, 1, 3]
    assert "NaN" in causes[2]


def test_files_that_a_part_of_the_work_has_seen(files):
    """Positions in the error are those in the part; files are found by their names, also where they come twice."""
    soundfile.write(files[4], np.full(500, np.nan), 2000, subtype="FLOAT")  # its header is good
    given = [files[0], files[4], files[2], files[4]]
    _, rows, causes = leave_out_bad(
        lambda clips, rows: FRONT.transform(clips[1:]) if len(clips) > 1 else 0, given
    )
    assert rows.tolist() == [0, 2]
    assert sorted(causes) == [1, 3]


def test_nothing_left(files):
    bad = [files[1], files[4]]
    with pytest.raises(ClipError):
        leave_out_bad(lambda clips, rows: FRONT.transform(clips), bad)
    result, rows, causes = leave_out_bad(lambda clips, rows: FRONT.transform(clips), bad, allow_empty=True)
    assert result is None
    assert len(rows) == 0
    assert sorted(causes) == [0, 1]
    assert leave_out_bad(lambda clips, rows: 1 / 0, [], allow_empty=True)[0] is None


def test_other_errors_pass(files):
    with pytest.raises(ValueError, match="mean"):
        leave_out_bad(lambda clips, rows: ClipStatistics(("mode",)).fit(FRONT.transform([clips[0]])), files)
