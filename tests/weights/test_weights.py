"""The register of encoders, and fetching their weights from a server that stands in for their authors'."""

import hashlib
import http.server
import os
import threading
from pathlib import Path

import pytest
from safetensors import safe_open

from skasd import PretrainedEmbedder
from skasd.weights import CHECKPOINTS, FetchError, at_hand, fetch, sha256_of, shipped_file

CONTENT = os.urandom(300_000)


class Release(http.server.BaseHTTPRequestHandler):
    """Serves ``CONTENT`` whole, with a bit changed, or cut short."""

    def do_GET(self):
        self.server.n_requests += 1
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        sent = {"/whole": CONTENT, "/cut": CONTENT[:100_000], "/changed": CONTENT[:-1] + b"?"}[self.path]
        self.wfile.write(sent)

    def log_message(self, *args):
        pass


@pytest.fixture
def release(monkeypatch, tmp_path):
    """Return the server, and let mn04 be fetched from it into a folder of its own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Release) as server:
        server.n_requests = 0
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def serve(path, sha256=None):
            sha256 = sha256 or hashlib.sha256(CONTENT).hexdigest()
            url = f"http://127.0.0.1:{server.server_port}{path}"
            known = CHECKPOINTS["efficientat_mn04"]._replace(url=url, sha256=sha256)
            monkeypatch.setitem(CHECKPOINTS, "efficientat_mn04", known)

        server.serve = serve
        monkeypatch.setenv("SKASD_CACHE", str(tmp_path / "cache"))
        yield server
        server.shutdown()


def kept(tmp_path):
    return [path.name for path in (tmp_path / "cache").iterdir()]


def test_weights_are_fetched_once(release, tmp_path, capfd):
    release.serve("/whole")
    path = fetch("efficientat_mn04")
    assert path.read_bytes() == CONTENT
    assert fetch("efficientat_mn04") == path
    assert release.n_requests == 1
    assert capfd.readouterr() == ("", "")
    path.write_bytes(b"damaged")
    assert fetch("efficientat_mn04").read_bytes() == CONTENT
    assert kept(tmp_path) == [path.name]
    assert fetch("efficientat_mn04", folder=tmp_path / "other", verbose=1).parent == tmp_path / "other"
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/changed", "has the SHA-256 .*not .*nothing of it was kept. Try again; or download http"),
        ("/cut", "could not be fetched .*Download http.* by hand and give weights="),
        ("/missing", "could not be fetched .*404.*by hand"),
    ],
)
def test_nothing_is_kept_of_a_failed_download(release, tmp_path, path, message):
    release.serve(path)
    with pytest.raises(FetchError, match=message):
        PretrainedEmbedder("efficientat_mn04").fit(["clip.wav"])
    assert kept(tmp_path) == []


def test_a_file_that_is_there_survives_a_failed_download(release, tmp_path):
    release.serve("/whole")
    path = fetch("efficientat_mn04")
    release.serve("/changed", sha256="0" * 64)
    with pytest.raises(FetchError, match="SHA-256"):
        fetch("efficientat_mn04")
    assert path.read_bytes() == CONTENT


def test_without_a_network(release, tmp_path):
    release.serve("/whole")
    release.shutdown()
    release.server_close()
    with pytest.raises(FetchError, match=r"mn04_as_mAP_432.pt could not be fetched \(ConnectionError"):
        fetch("efficientat_mn04")
    assert kept(tmp_path) == []


def test_nothing_is_fetched_unchecked(tmp_path):
    with pytest.raises(
        ValueError, match=r"SHA-256 of mn10_as_mAP_471.pt .* is not known .*weights=<its path>"
    ):
        PretrainedEmbedder("efficientat_mn10").fit(["clip.wav"])
    with pytest.raises(ValueError, match="name='mn04' is not of a checkpoint that can be fetched"):
        fetch("mn04")


def test_the_register_of_what_is_fetched():
    for checkpoint in CHECKPOINTS.values():
        assert checkpoint.source
        assert checkpoint.licence
        assert checkpoint.url is None or checkpoint.url.endswith("/" + checkpoint.file)


def test_the_published_file_is_the_one_of_the_register(real_data):
    known = CHECKPOINTS["efficientat_mn04"]
    assert sha256_of(real_data("weights") / known.file) == known.sha256


def test_the_shipped_file_is_small_and_carries_its_recipe():
    assert shipped_file().stat().st_size <= 400_000
    with safe_open(shipped_file(), "pt") as file:
        assert file.metadata()


def test_folders_have_checksums_of_names_and_contents(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    first = sha256_of(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256_of(tmp_path)
    (tmp_path / "b").write_bytes(b"2")
    assert len({first, second, sha256_of(tmp_path), sha256_of(Path(tmp_path, "b"))}) == 4


def test_only_whole_known_files_are_at_hand(monkeypatch, tmp_path, real_data):
    monkeypatch.setenv("SKASD_CACHE", str(tmp_path))
    assert at_hand() == {}
    kept = tmp_path / CHECKPOINTS["efficientat_mn04"].file
    whole = (real_data("weights") / kept.name).read_bytes()
    kept.write_bytes(whole[:-1])
    assert at_hand() == {}
    kept.write_bytes(whole)
    assert at_hand() == {"efficientat_mn04": kept}
