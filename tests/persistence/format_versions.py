"""The model files of every format version, and what is in them.

``python -m tests.persistence.format_versions`` writes those of the version that skasd writes now, with the scores
that must come out for ever. Files of versions before it stay as they are.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer
from skasd.compose import PerSection
from skasd.embedders import AutoencoderEmbedder
from skasd.persistence import save
from skasd.persistence._container import FORMAT_VERSION
from skasd.scorers import KNNScorer, LOFScorer

FILES = Path(__file__).parent / "files"
SCORES = FILES / "scores.json"


def noise(*shape, seed):
    """Return integers of a linear congruential generator as numbers in [-0.5, 0.5): the same on every machine."""
    state, found = seed, []
    for _ in range(int(np.prod(shape))):
        state = (1103515245 * state + 12345) % 2**31
        found.append(state / 2**31 - 0.5)
    return np.array(found).reshape(shape)


def clips(seed):
    return noise(12, 600, seed=seed).astype(np.float32)


def rows(seed):
    return noise(12, 4, seed=seed)


def spectrograms(seed):
    return noise(12, 4, 8, seed=seed).astype(np.float32)


def models():
    """Return estimators that are not fitted, what makes their input, and the metadata of fit, by name."""
    front = LogMelTransformer(n_fft=256, hop_length=128, n_mels=8)
    section = ["a", "b", 1, (2, "c")] * 3
    embedder = AutoencoderEmbedder(hidden=4, bottleneck=2, max_epochs=1, augmenter=None, random_state=0)
    return {
        "pipeline": (make_pipeline(front, ClipStatistics(), MahalanobisScorer()), clips, {}),
        "sections": (PerSection(None, KNNScorer()), rows, {"section": section}),
        "neighbors": (LOFScorer(n_neighbors=3), rows, {"domain": ["source"] * 8 + ["target"] * 4}),
        "embedder": (embedder, spectrograms, {}),
    }


def output(model, X):
    """Return what the model says of clips: scores, or embeddings."""
    return model.score_samples(X) if hasattr(model, "score_samples") else model.transform(X)


def write():
    scores = json.loads(SCORES.read_text(encoding="ascii")) if SCORES.exists() else {}
    FILES.mkdir(exist_ok=True)
    for name, (model, make, metadata) in models().items():
        file = f"version_{FORMAT_VERSION}_{name}.skasd"
        save(model.fit(make(1), **metadata), FILES / file)
        scores[file] = output(model, make(2)).tolist()
    SCORES.write_text(json.dumps(scores, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    write()
