"""The template of all embedders."""

from functools import partial
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .. import nn
from .._metadata import warn_about_anomalies
from .._sklearn_compat import fit_context
from .._threads import fixed_threads, resolve_threads
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..features import check_time_frequency
from ..labels import column_names, encode
from ._batches import PatchDataset, TrainingBatches
from ._choices import CONSTRAINTS, make_mixing, make_objective, names_of
from ._classes import pseudo_labels, section_labels
from ._clips import check_single_precision, moments, take_rows, target_clips, training_rows
from ._docs import with_fit_docstring, with_shared_docstring
from ._embedding import check_finite, class_outputs, embed, embedding_dim_of, fold, merge
from ._patches import ClipPatches
from ._stored import net_state, restore_net
from ._training import initialise, make_net, train

# parameters that do not affect what is learnt
_NEUTRAL = {"verbose", "callbacks", "device", "n_threads", "output", "merge", "patch_hop"}


@with_shared_docstring
class BaseEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base class of the estimators that train a network and turn each clip into one row.

    A subclass defines ``__init__`` with its parameters, a docstring, and ``_make_backbone``, which returns its network.
    All embedders share the parameters below; a subclass that leaves one out gets the default given here.

    Parameters
    ----------
    {shared}

    Notes
    -----
    A subclass may also define ``_load_pretrained(backbone, mean, scale)``, which gives the network its first weights
    and returns the standardisation of its input; ``_make_network(backbone, mean, scale, n_classes)``, which returns the
    module to be trained, whose ``objective`` is the criterion; ``_make_patches(clips, patch_frames)``, which returns
    the object that cuts patches out of clips; ``_learn_classes``, ``_make_targets`` and ``_make_batch``, which prepare
    the input of the objective; and ``_patch_outputs``, which computes what ``output`` may name.
    """

    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}

    _parameter_constraints: dict = CONSTRAINTS

    def __init__(
        self,
        *,
        loss: Any = "cross_entropy",
        patch_frames: int = 64,
        patch_hop: int | None = None,
        merge: Any = "mean",
        output: Any = "embedding",
        n_pseudo_classes: int = 10,
        standardize_input: Literal["bin", "global"] | None = "bin",
        mixing: Any = "mixup",
        domain_mixing: bool = True,
        augmenter: Any = None,
        max_epochs: int = 30,
        batch_size: int = 32,
        lr: float = 1e-3,
        lr_schedule: Literal["onecycle", "constant"] = "onecycle",
        optimizer: Any = "adamw",
        weight_decay: float = 1e-4,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        n_threads: int | None = None,
        callbacks: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.loss = loss
        self.patch_frames = patch_frames
        self.patch_hop = patch_hop
        self.merge = merge
        self.output = output
        self.n_pseudo_classes = n_pseudo_classes
        self.standardize_input = standardize_input
        self.mixing = mixing
        self.domain_mixing = domain_mixing
        self.augmenter = augmenter
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.device = device
        self.precision = precision
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    # -- what a subclass may say -----------------------------------------------------------------------------------

    _outputs: tuple[str, ...] = ("embedding", "log_proba", "log_odds")  # what ``output`` may name
    _merges: tuple[str, ...] = ("mean", "std")  # what ``merge`` may name
    uses_proxies = False  # public: whether clips of other machines are trained on or dropped
    _training_batches: type = TrainingBatches  # how an epoch is drawn
    _fused = False  # see make_net

    def _check_clips(self, X, reset):
        """Return the clips, (n_clips, n_bins, n_frames) or a list, and which of them are missing."""
        clips, missing = check_time_frequency(self, X, reset=reset)
        check_single_precision(clips)
        return clips, missing

    def _choose_patch_frames(self, lengths):
        """Return the length of a patch for training clips of these lengths."""
        return min(self.patch_frames, max(lengths))

    def _learn_classes(self, clips, metadata, seed):
        """Return the class of each clip, as a number, and set ``classes_``."""
        labels = section_labels(metadata.get("section"), metadata["y"])
        self.pseudo_labels_ = None
        if labels is None:
            labels = self.pseudo_labels_ = pseudo_labels(clips, self.n_pseudo_classes, seed)
        self.classes_, labels = encode(labels.tolist())
        return labels

    def _make_patches(self, clips, patch_frames):
        """Return what cuts patches out of clips."""
        return ClipPatches(clips, patch_frames)

    def _make_targets(self, labels, n_classes, metadata):
        """Return the targets of the training clips by name, one row per clip."""
        return {"label": np.eye(n_classes, dtype=np.float32)[labels]}

    def _make_batch(self, x, targets, generator):
        """Return the inputs of the network and the targets of its objective for a batch."""
        return x, targets["label"]

    def _make_backbone(self, n_bins, n_frames) -> Any:
        """Return the network from patches (n, 1, n_bins, n_frames) to embeddings (n, its attribute embedding_dim)."""
        raise TypeError(f"{type(self).__name__} must define _make_backbone(n_bins, n_frames)")

    def _load_pretrained(self, backbone, mean, scale):
        """Give the backbone published weights, if asked for; return the standardisation that goes with them."""
        return mean, scale

    def _make_network(self, backbone, mean, scale, n_classes) -> Any:
        """Return the module to be trained; its ``objective`` is the criterion."""
        dim = embedding_dim_of(backbone, self._n_rows, self.patch_frames_, type(self).__name__)
        return nn.StandardizedNetwork(backbone, make_objective(self.loss, dim, n_classes), mean, scale)

    def _patch_outputs(self, network, x, names):
        """Return the outputs ``names`` of a batch of patches, by name, each of shape (n_patches, ...)."""
        return class_outputs(network.objective, network(x), names)

    def _merge(self, values, index, name):
        """Merge an output of patches into rows of clips."""
        return merge(values, index, self.merge if name == "embedding" else "mean")

    # -- training --------------------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    @with_fit_docstring
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        proxy: ArrayLike | None = None,
    ) -> Self:
        """Train the network on healthy clips.

        Parameters
        ----------
        {shared}

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If training diverges: a loss or a weight is not finite; if there is no clip to train on, or features,
            metadata and parameters do not match.

        KeyboardInterrupt
            On Ctrl-C: nothing is fitted; the checkpoint, if there is one, holds the progress.
        """
        return self._fit(X, y, section=section, domain=domain, proxy=proxy)

    def _fit(self, X, y, **metadata):
        with unfitted_on_failure(self), fixed_threads(resolve_threads(self.n_threads)):
            names = names_of("output", self.output, self._outputs)
            names_of("merge", self.merge, self._merges)
            clips, missing = self._check_clips(X, reset=True)
            warn_about_anomalies(y, self)
            name = type(self).__name__
            clips, metadata = training_rows(name, clips, missing, y, metadata, self.uses_proxies)
            if self.augmenter is not None:
                clips, metadata = self._augment(clips, metadata)
            seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3).tolist()
            labels = self._learn_classes(clips, metadata, seeds[0])
            lengths = [clip.shape[1] for clip in clips] if isinstance(clips, list) else [clips.shape[2]]
            self.patch_frames_ = self._choose_patch_frames(lengths)
            dataset = self._make_dataset(clips, labels, metadata, torch.Generator().manual_seed(seeds[1]))
            self.device_ = nn.resolve_device(self.device)
            self.net_ = self._make_net(initialise(lambda: self._first_network(clips), seeds[2]))
            self._train(dataset, clips, labels)
            self._prepare_embedding()
            outputs = self._embed(clips[:1], names, verbose=0)
            check_finite(np.hstack(outputs), np.zeros(1, dtype=int), name, self.lr)
        return self

    def _augment(self, clips, metadata):
        y = metadata.pop("y")
        clips, y, metadata = clone(self.augmenter).augment(clips, y, **metadata)
        return clips, {"y": y, **metadata}

    def _make_dataset(self, clips, labels, metadata, generator):
        return PatchDataset(
            self._make_patches(clips, self.patch_frames_),
            self._make_targets(labels, len(self.classes_), metadata),
            self._make_batch,
            generator,
            is_target=target_clips(metadata.get("domain")) if self.domain_mixing else None,
            mixing=make_mixing(self.mixing, self.loss),
            patch_hop=self.patch_hop_,
        )

    def _first_network(self, clips):
        per_bin = self.standardize_input == "bin"
        mean, scale = (0.0, 1.0) if self.standardize_input is None else moments(clips, per_bin=per_bin)
        backbone = self._make_backbone(clips[0].shape[0], self.patch_frames_)
        mean, scale = self._load_pretrained(backbone, mean, scale)
        return self._make_network(backbone, mean, scale, len(self.classes_))

    def _make_net(self, network):
        return make_net(
            network,
            device=self.device_,
            precision=self.precision,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            lr=self.lr,
            batch_size=self.batch_size,
            batches=self._training_batches,
            fused=self._fused,
        )

    def _train(self, dataset, clips, labels):
        parameters = {name: value for name, value in self.get_params().items() if name not in _NEUTRAL}
        train(
            self.net_,
            dataset,
            max_epochs=self.max_epochs,
            lr_schedule=self.lr_schedule,
            callbacks=self.callbacks,
            labels=labels,
            run=[parameters, clips],
            name=type(self).__name__,
            verbose=self.verbose,
        )

    # -- embedding -------------------------------------------------------------------------------------------------

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
        return self._transform(X, names_of("output", self.output, self._outputs))

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

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : object, default=None
            Ignored; present for consistency with scikit-learn.

        Returns
        -------
        ndarray of str of shape (n_features,)
            The class name in lower case and a number, such as ``"mfnembedder0"``; for log-probabilities and log-odds
            the label of the class, such as ``"mfnembedder_log_proba[fan]"`` (:func:`skasd.labels.column_names`).
        """
        names = super().get_feature_names_out(input_features)
        end = 0
        outputs = names_of("output", self.output, self._outputs)
        for output, width in zip(outputs, self._output_widths, strict=True):
            end += width
            if output.startswith("log_"):
                prefix = f"{type(self).__name__.lower()}_{output}"
                names[end - width : end] = column_names(prefix, self.classes_.tolist())
        return names

    def _transform(self, X, names):
        check_is_fitted(self)
        clips, missing = self._check_clips(X, reset=False)
        good = np.flatnonzero(~missing)
        if not len(good):
            width = len(self.classes_) if names == ["log_proba"] else self._n_features_out
            return np.full((len(missing), width), np.nan, dtype=np.float32)
        with fixed_threads(resolve_threads(self.n_threads), blas=False):
            rows = np.hstack(self._embed(take_rows(clips, ~missing), names, verbose=self.verbose))
        check_finite(rows, good, type(self).__name__, self.lr)
        every = np.full((len(missing), rows.shape[1]), np.nan, dtype=np.float32)
        every[good] = rows
        return every

    def _embed(self, clips, names, verbose):
        """Return the outputs ``names`` of clips, a list of arrays of n_clips rows."""
        patches = self._make_patches(clips, self.patch_frames_)
        outputs = partial(self._patch_outputs, names=names)
        values, index = embed(self.embedding_network_, patches, self.patch_hop_, outputs, verbose=verbose)
        # `check_finite` reports values that are not finite
        with np.errstate(over="ignore", invalid="ignore"):
            return [self._merge(values[name], index, name).astype(np.float32, copy=False) for name in names]

    @property
    def _output_widths(self):
        """Numbers of columns of the outputs in `output`; it and `merge` may have been set after `fit`."""
        check_is_fitted(self)
        silence = np.zeros((1, self._n_rows, self.patch_frames_), np.float32)
        names = names_of("output", self.output, self._outputs)
        with fixed_threads(resolve_threads(self.n_threads), blas=False):
            return [values.shape[1] for values in self._embed(silence, names, verbose=0)]

    @property
    def _n_rows(self):
        """Number of rows of the input that patches are cut out of."""
        return self.n_features_in_

    @property
    def _n_features_out(self):
        return sum(self._output_widths)

    def _prepare_embedding(self):
        self.embedding_network_ = fold(self.net_.module_, self.precision)

    @property
    def patch_hop_(self):
        """Frames from one patch to the next in `transform`."""
        return self.patch_hop if self.patch_hop is not None else max(1, self.patch_frames_ // 2)

    _net_state = net_state
    _set_net_state = restore_net

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("embedding_network_", None)  # rebuilt from net_, on the available device
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "net_" in state:
            self.device_ = str(self.net_.device)
            self._prepare_embedding()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
