"""What all embedders share: labels, patches, training through skorch, embedding, merging."""

from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, clone
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from .. import nn
from .._metadata import check_metadata, warn_about_anomalies
from .._sklearn_compat import Interval, Options, StrOptions, fit_context
from .._threads import fixed_threads, resolve_threads
from .._typing import ArrayLike, PathName
from .._unfitted import unfitted_on_failure
from ..features import check_time_frequency
from ..labels import encode, natural_array
from ._batches import ClipPatches, TrainingBatches, check_single_precision, take_rows
from ._choices import MIXINGS, OBJECTIVES, OPTIMIZERS
from ._classes import pseudo_labels, section_labels
from ._embedding import EmbeddingMixin
from ._stored import StoredNetMixin
from ._training import TrainingMixin


class BaseEmbedder(
    TrainingMixin,
    EmbeddingMixin,
    StoredNetMixin,
    ClassNamePrefixFeaturesOutMixin,
    BaseEstimator,
):
    """Base class of the estimators that train a network and turn each clip into one row.

    A subclass names its network in ``_make_backbone`` and gives its ``__init__`` the parameters it wants; the
    parameters below are those that every embedder shares.

    Parameters
    ----------
    loss : {"arcface", "adacos", "subcluster_adacos", "focal", "cross_entropy", "binary_cross_entropy"}
        Objective of the classification of sections.

    loss_params : dict or None
        Arguments of the objective, as ``{"s": 30.0, "m": 0.5}`` for ``"arcface"``.

    patch_frames : int
        Frames of one patch. Clips shorter than a patch are repeated in time; if all training clips are shorter,
        the network is built for the longest of them (``patch_frames_``).

    patch_hop : int or None
        Frames between the patches of the regular grid when embedding; None: half a patch.

    merge : {"mean", "std"} or tuple of them
        How the embeddings of a clip's patches become one row; several are concatenated.

    output : {"embedding", "log_proba", "log_odds"} or tuple of them
        What ``transform`` returns; several are concatenated. ``"log_proba"`` is the mean over patches of the log of
        the class probabilities, ``"log_odds"`` that of ``log p - log(1 - p)``.

    n_pseudo_classes : int
        Number of clusters that stand in for sections where no section, or only one, is known.

    standardize : {"bin", "global"} or None
        Input standardisation learnt on the training clips: per frequency bin, overall, or none.

    mixing : {"mixup", "fmix"}, tuple of them, callable or None
        Batch mixing while training; of several, one is drawn for each batch. A callable is called as
        ``mixing(x, y, generator=generator, partner=partner)``.

    domain_mixing : bool
        Where ``domain=`` tells source from target clips: fill every mini-batch with clips of both, and mix across
        domains (batch mixing strategy of JLESS 2022, section 2.1).

    augmenter : object with ``augment(X, y=None, **metadata)`` or None
        Makes more training clips before training.

    max_epochs : int
        Passes over the training clips.

    crops_per_clip : int
        Random patches of each clip in one epoch.

    batch_size : int
        Patches in a mini-batch.

    lr : float
        Learning rate; with ``lr_schedule="onecycle"`` its maximum.

    lr_schedule : {"onecycle", "constant"}
        How the learning rate changes from batch to batch.

    optimizer : {"adam", "adamw", "adamax", "sgd"} or a torch.optim.Optimizer class
        Optimiser of network and class weights.

    weight_decay : float
        Weight decay of the optimiser.

    early_stopping : int or None
        Stop when the loss on held-out clips has not improved for this many epochs, and go back to the best; None:
        train on all clips for ``max_epochs``.

    validation_fraction : float
        Share of the clips that early stopping holds out, stratified by class where possible.

    checkpoint_dir : path-like or None
        Folder for checkpoints. Training writes one after every epoch; ``fit`` with the same parameters, callbacks among
        them, and data goes on from the last one, and ends with the weights of an uninterrupted run.

    warm_start : bool
        Go on from the weights of the previous ``fit`` for another ``max_epochs``; with ``checkpoint_dir`` too.

    device : str
        ``"auto"`` takes CUDA where there is one, else the CPU; or any torch device.

    precision : {"auto", "float32", "bfloat16"}
        ``"auto"``: bfloat16 autocast on CUDA, float32 on the CPU. ``"bfloat16"`` on the CPU holds for embedding
        only: training with it is slower there.

    n_threads : int or None
        Threads of torch and of matrix products while training and embedding, whatever they are set to outside. With the
        same number, results on the CPU are the same to the last bit in this process, in threads and in workers of
        joblib. None: the environment variable ``SKASD_NUM_THREADS``, else 1. More are quicker where nothing else runs.

    callbacks : list of skorch callbacks or None
        Added to those of the embedder.

    random_state : int, RandomState instance or None
        First weights, order, crops and mixing. On the CPU the same seed gives bit-identical results for the same
        ``n_threads``.

    verbose : int
        0: quiet; 1: progress bars.
    """

    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}

    _parameter_constraints: dict = {
        "loss": [StrOptions(set(OBJECTIVES))],
        "loss_params": [dict, None],
        "patch_frames": [Interval(Integral, 1, None, closed="left")],
        "patch_hop": [Interval(Integral, 1, None, closed="left"), None],
        "merge": [StrOptions({"mean", "std"}), tuple, list],
        "output": [str, tuple, list],
        "n_pseudo_classes": [Interval(Integral, 1, None, closed="left")],
        "standardize": [StrOptions({"bin", "global"}), None],
        "mixing": [StrOptions(set(MIXINGS)), tuple, list, callable, None],
        "domain_mixing": ["boolean"],
        "augmenter": [None, object],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "crops_per_clip": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"onecycle", "constant"})],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "checkpoint_dir": [str, Path, None],
        "warm_start": ["boolean"],
        "device": [str, Options(torch.device, set())],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        loss: Literal[
            "arcface", "adacos", "subcluster_adacos", "focal", "cross_entropy", "binary_cross_entropy"
        ],
        loss_params: dict | None,
        patch_frames: int,
        patch_hop: int | None,
        merge: Any,
        output: Any,
        n_pseudo_classes: int,
        standardize: Literal["bin", "global"] | None,
        mixing: Any,
        domain_mixing: bool,
        augmenter: Any,
        max_epochs: int,
        crops_per_clip: int,
        batch_size: int,
        lr: float,
        lr_schedule: Literal["onecycle", "constant"],
        optimizer: Any,
        weight_decay: float,
        early_stopping: int | None,
        validation_fraction: float,
        checkpoint_dir: PathName | None,
        warm_start: bool,
        device: str,
        precision: Literal["auto", "float32", "bfloat16"],
        n_threads: int | None,
        callbacks: Any,
        random_state: int | np.random.RandomState | None,
        verbose: int,
    ):
        self.loss = loss
        self.loss_params = loss_params
        self.patch_frames = patch_frames
        self.patch_hop = patch_hop
        self.merge = merge
        self.output = output
        self.n_pseudo_classes = n_pseudo_classes
        self.standardize = standardize
        self.mixing = mixing
        self.domain_mixing = domain_mixing
        self.augmenter = augmenter
        self.max_epochs = max_epochs
        self.crops_per_clip = crops_per_clip
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.checkpoint_dir = checkpoint_dir
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    # -- what a subclass says ------------------------------------------------------------------------------------

    _outputs: tuple[str, ...] = ("embedding", "log_proba", "log_odds")  # what ``output`` may name
    _uses_proxies = False  # whether clips of other machines are trained on or dropped
    _training_batches: type[TrainingBatches] = TrainingBatches  # how an epoch is drawn

    def _check_clips(self, X, reset):
        """Return the clips, (n_clips, n_bins, n_frames) or a list, and which of them are missing."""
        clips, missing = check_time_frequency(self, X, reset=reset)
        check_single_precision(clips)
        return clips, missing

    def _choose_patch_frames(self, lengths):
        """Return the length of a patch for training clips of these lengths."""
        return min(self.patch_frames, max(lengths))

    def _make_patches(self, clips, patch_frames):
        """Return what cuts patches out of clips."""
        return ClipPatches(clips, patch_frames)

    def _make_backbone(self, n_bins, n_frames) -> Any:
        """Return the network that maps patches (n, 1, n_bins, n_frames) to embeddings (n, embedding_dim)."""
        raise TypeError(f"{type(self).__name__} must define _make_backbone(n_bins, n_frames)")

    def _make_network(self, backbone, mean, scale, n_classes):
        """Return the module to be trained; its ``objective`` is the criterion."""
        objective = OBJECTIVES[self.loss](backbone.embedding_dim, n_classes, **(self.loss_params or {}))
        return nn.StandardizedNetwork(backbone, objective, mean, scale)

    def _make_targets(self, labels, n_classes, metadata):
        """Return the targets of the training clips by name, one row per clip."""
        return {"label": np.eye(n_classes, dtype=np.float32)[labels]}

    def _make_batch(self, x, targets, generator):
        """Return the inputs of the network and the targets of its objective for a batch."""
        return x, targets["label"]

    def _patch_outputs(self, network, x, names):
        """Return the outputs ``names`` of a batch of patches, by name, each of shape (n_patches, ...)."""
        embedding = network(x)
        outputs = {"embedding": embedding}
        if {"log_proba", "log_odds"} & set(names):
            log_p = network.objective.log_proba(embedding)
            smallest = np.finfo(np.float64).eps  # of p and of 1 - p, as in the official baseline
            log_1_p = torch.log(torch.clamp(-torch.expm1(log_p), min=smallest))
            log_odds = torch.clamp(log_p, min=float(np.log(smallest))) - log_1_p
            outputs |= {"log_proba": log_p, "log_odds": log_odds}
        return {name: outputs[name] for name in names}

    # -- training ------------------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
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
        X : array-like of shape (n_clips, n_bins, n_frames), list of ndarrays of shape (n_bins, n_frames_i) or \
                array-like of shape (n_clips, n_bins)
            Time-frequency clips. All-NaN clips (skipped files) are left out.

        y : array-like of shape (n_clips,) or None
            Not learnt from where coded {+1, -1}; any other discrete labels stand in for ``section``.

        section : array-like of shape (n_clips,) or None
            Machine, ID, section or attribute of each clip: the classes. Without, or with a single one, clusters of
            simple spectral statistics are the classes (``pseudo_labels_``).

        domain : array-like of {"source", "target"} of shape (n_clips,) or None
            Used for batch mixing across domains.

        proxy : array-like of bool of shape (n_clips,) or None
            Clips of other machines; left out.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If training diverges: a loss or a weight is not finite; if there is no clip to train on, or features,
            metadata and parameters do not fit.

        KeyboardInterrupt
            On an interrupt from the keyboard; nothing is then fitted, and what was learnt is in the checkpoint, if
            there is one.
        """
        return self._fit(X, y, section=section, domain=domain, proxy=proxy)

    def _fit(self, X, y=None, **metadata):
        with unfitted_on_failure(self), self._own_threads():
            return self._fit_checked(X, y, metadata)

    def _fit_checked(self, X, y, metadata):
        self._check_outputs()
        clips, missing = self._check_clips(X, reset=True)
        warn_about_anomalies(y, self)
        metadata = check_metadata(len(missing), **metadata)
        if y is not None:
            if isinstance(y, list) and any(isinstance(label, str) for label in y):
                y = natural_array(y)  # NumPy would make 1 and "1" the same
            y = column_or_1d(y)
            check_consistent_length(clips, y)
        metadata["y"] = y
        keep = ~missing
        if metadata.get("proxy") is not None and not self._uses_proxies:
            keep &= ~metadata["proxy"]
        if not keep.any():
            raise ValueError(
                f"No clip to train {type(self).__name__} on: all {len(keep)} are skipped or proxies."
            )
        clips, metadata = take_rows(clips, metadata, keep)
        if self.augmenter is not None:
            clips, metadata = self._augment(clips, metadata)

        rng = check_random_state(self.random_state)
        seeds = rng.randint(2**31 - 1, size=3)
        labels = self._learn_classes(clips, metadata, seeds[0])
        lengths = [clip.shape[1] for clip in clips] if isinstance(clips, list) else [clips.shape[2]]
        patch_frames = self._choose_patch_frames(lengths)
        generator = torch.Generator().manual_seed(int(seeds[1]))
        targets = self._make_targets(labels, len(self.classes_), metadata)
        dataset = self._make_dataset(clips, targets, metadata, patch_frames, generator)

        self.device_ = self._resolve_device()
        if not (self.warm_start and hasattr(self, "net_")):
            self.patch_frames_ = patch_frames
            self.net_ = self._make_net(clips, int(seeds[2]))
        else:
            known = self.net_.module_.objective.n_classes, self.patch_frames_
            if known != (len(self.classes_), patch_frames):
                raise ValueError(
                    f"warm_start=True, but the clips have {len(self.classes_)} classes and patches of {patch_frames} "
                    f"frames where the fitted network has {known[0]} and {known[1]}: set warm_start=False."
                )
        self._train(dataset, clips, labels)
        self._prepare_embedding()
        names = self._output_names()
        first = take_rows(clips, {}, slice(0, 1))[0]
        outputs = self._embed(first, names, verbose=0)
        self._check_finite(np.hstack(outputs), np.zeros(1, dtype=int))
        self._output_widths = [values.shape[1] for values in outputs]
        self._n_features_out = sum(self._output_widths)
        return self

    def _own_threads(self, blas=True):
        return fixed_threads(resolve_threads(self.n_threads), blas)

    def _learn_classes(self, clips, metadata, seed):
        labels = section_labels(metadata.get("section"), metadata["y"])
        self.pseudo_labels_ = None
        if labels is None:
            labels = self.pseudo_labels_ = pseudo_labels(clips, self.n_pseudo_classes, int(seed))
        self.classes_, labels = encode(labels.tolist())
        return labels

    def _augment(self, clips, metadata):
        y = metadata.pop("y")
        clips, y, metadata = clone(self.augmenter).augment(clips, y, **metadata)
        return clips, {"y": y, **metadata}

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("embedding_network_", None)  # made anew from net_, on whatever device there is
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "net_" in state:
            self.device_ = str(self.net_.device)
            self._prepare_embedding()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
