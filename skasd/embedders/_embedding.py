"""Embedding clips: patches on a regular grid, through the network, merged into one row per clip."""

from typing import Any

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .. import nn
from ..labels import column_names
from ._batches import take_rows


class EmbeddingMixin(TransformerMixin):  # scikit-learn makes tables of what methods of its subclasses return
    """How an embedder turns clips into rows once it is fitted."""

    _merges: tuple[str, ...] = ("mean", "std")  # what ``merge`` may name

    def transform(self, X: Any) -> np.ndarray:
        """Turn each clip into one row.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bins, n_frames), list of ndarrays of shape (n_bins, n_frames_i) or \
                array-like of shape (n_clips, n_bins)
            Time-frequency clips.

        Returns
        -------
        ndarray of shape (n_clips, n_features), float32
            What ``output`` names; NaN for all-NaN clips (skipped files).
        """
        return self._transform(X, self._output_names())

    @available_if(lambda self: "log_proba" in self._outputs)
    def predict_log_proba(self, X):
        """Return the class log-probabilities of each clip: the mean over its patches.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bins, n_frames) or list of ndarrays of shape (n_bins, n_frames_i)
            Time-frequency clips.

        Returns
        -------
        ndarray of shape (n_clips, n_classes), float32
            Columns in the order of ``classes_``. A mean of logarithms: rows do not sum to one after ``exp``.
        """
        return self._transform(X, ["log_proba"])

    def _transform(self, X, names):
        check_is_fitted(self)
        clips, missing = self._check_clips(X, reset=False)
        if missing.all():
            width = self._n_features_out if names == self._output_names() else len(self.classes_)
            return np.full((len(missing), width), np.nan, dtype=np.float32)
        with self._own_threads(blas=False):
            rows = np.hstack(self._embed(take_rows(clips, {}, ~missing)[0], names, verbose=self.verbose))
        self._check_finite(rows, np.flatnonzero(~missing))
        if missing.any():
            every = np.full((len(missing), rows.shape[1]), np.nan, dtype=np.float32)
            every[~missing] = rows
            rows = every
        return rows

    def _check_finite(self, rows, positions):
        """Raise ValueError for rows that are not finite: NaN is for skipped clips alone."""
        bad = positions[~np.isfinite(rows).all(axis=1)]
        if len(bad):
            some = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
            raise ValueError(
                f"{type(self).__name__} has no finite output for {len(bad)} of {len(positions)} clips ({some}): their "
                "features are far larger than those it was trained on, or training diverged. Scale the clips, or train "
                f"with a smaller lr than {self.lr:g}."
            )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : object
            Not looked at; here as in scikit-learn.

        Returns
        -------
        ndarray of str of shape (n_features,)
            The name of the class in lower case and a number, as ``"mfnembedder0"``; of log-probabilities and log-odds
            the label of their class, as ``"mfnembedder_log_proba[fan]"`` (:func:`skasd.labels.column_names`).
        """
        names = super().get_feature_names_out(input_features)
        end = 0
        for output, width in zip(self._output_names(), self._output_widths, strict=True):
            end += width
            if output.startswith("log_"):
                prefix = f"{type(self).__name__.lower()}_{output}"
                names[end - width : end] = column_names(prefix, self.classes_.tolist())
        return names

    def _embed(self, clips, names, verbose):
        """Return the outputs ``names`` of clips, a list of arrays of n_clips rows."""
        patches = self._make_patches(clips, self.patch_frames_)
        index, start = patches.grid(self._patch_hop(self.patch_frames_))
        device = next(self.embedding_network_.parameters()).device
        step = 16  # so few that the activations stay in the cache and in memory that malloc keeps
        parts: dict[str, list] = {name: [] for name in names}
        bar = tqdm(total=len(patches), desc="embedding", unit="clip", disable=not verbose)
        with torch.inference_mode(), bar:
            for first in range(0, len(index), step):
                chunk = slice(first, first + step)
                x = patches.cut(index[chunk], start[chunk]).to(device)
                for name, value in self._patch_outputs(self.embedding_network_, x, names).items():
                    parts[name].append(value.float().reshape(len(value), -1).cpu().numpy())
                bar.update(index[chunk][-1] + 1 - bar.n)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told by `_check_finite`
            columns = [self._merge(np.concatenate(parts[name]), index, name) for name in names]
            return [values.astype(np.float32, copy=False) for values in columns]

    def _merge(self, values, index, name):
        """Merge the values of patches into rows of clips."""
        first = np.flatnonzero(np.diff(index, prepend=-1))
        count = np.diff(np.append(first, len(index)))[:, None]
        mean = np.add.reduceat(values, first, dtype=np.float64) / count
        if name != "embedding":
            return mean
        ways = [self.merge] if isinstance(self.merge, str) else list(self.merge)
        merged = [
            mean if way == "mean" else self._merge_patches(way, values, index, first, mean) for way in ways
        ]
        return np.concatenate(merged, axis=1)

    def _merge_patches(self, way, values, index, first, mean):
        """Merge the embeddings of patches, those of a clip from row ``first`` on, in a way other than their mean."""
        count = np.diff(np.append(first, len(index)))[:, None]
        return np.sqrt(np.add.reduceat((values - mean[index]) ** 2, first) / count)

    def _prepare_embedding(self):
        """Build the network for embedding: batch normalisation folded into the convolutions."""
        network = nn.fold_batch_norm(self.net_.module_)
        if self.precision == "bfloat16":
            network.autocast = torch.bfloat16
        self.embedding_network_ = network

    def _patch_hop(self, patch_frames):
        return self.patch_hop if self.patch_hop is not None else max(1, patch_frames // 2)

    def _output_names(self):
        return [self.output] if isinstance(self.output, str) else list(self.output)

    def _check_outputs(self):
        for parameter, names, known in (
            ("output", self._output_names(), self._outputs),
            ("merge", [self.merge] if isinstance(self.merge, str) else self.merge, self._merges),
        ):
            unknown = [name for name in names if name not in known]
            if unknown or not names:
                raise ValueError(f"{parameter}={getattr(self, parameter)!r}: use one or several of {known}.")
