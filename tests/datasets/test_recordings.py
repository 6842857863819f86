import pytest

from skasd.datasets import find_recordings, load_recordings


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes empty files below a fresh folder, and returns the folder."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def test_files_wildcards_and_folders(tree):
    root = tree("a/1.wav", "a/b/2.flac", "a/.Trash/3.wav", "a/._1.wav", "c.wav", "c.txt", "d[1].wav")
    a, c = root / "a", root / "c.wav"
    inside = [str(a / "1.wav"), str(a / "b" / "2.flac")]
    assert find_recordings([str(root / "c*.wav"), str(a), str(c)]) == [str(c), *inside]
    assert find_recordings([str(root / "**/*.wav")]) == [str(a / "1.wav"), str(c), str(root / "d[1].wav")]
    assert find_recordings(root / "d[1].wav") == [str(root / "d[1].wav")]
    assert find_recordings("gone.wav") == ["gone.wav"]
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no sound file in the folder .*empty"):
        find_recordings([root / "empty"])


def test_a_folder_named_as_anomalous_is_not_learnt_from(tree):
    root = tree("press/ng/1.wav", "press/ng/monday/2.wav", "press/ok/3.wav")
    for where in (root / "press/ng", root / "press/ng/monday"):
        table = load_recordings(where)
        assert set(table["y"]) == {-1}
        assert set(table["split"]) == {"test"}
        assert "called ng" in table.attrs["decided"]
        table = load_recordings(where, healthy=True)
        assert set(table["y"]) == {1}
        assert set(table["split"]) == {"train"}
