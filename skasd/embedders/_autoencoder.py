"""The official autoencoder: reconstruction errors as anomaly scores."""

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .. import nn
from .._docs import shared_docstring
from .._sklearn_compat import Interval
from .._threads import fixed_threads, resolve_threads
from ._base import BaseEmbedder
from ._batches import AllWindows
from ._clips import take_rows
from ._docs import ATTRIBUTES, PARAMETERS
from ._patches import FrameStacks, average_windows


@shared_docstring(PARAMETERS, ATTRIBUTES)
class AutoencoderEmbedder(BaseEmbedder):
    r"""Reconstruct windows of frames with a dense autoencoder and return the reconstruction errors.

    The autoencoder of the challenge's baselines: 640-128-128-128-128-8-128-128-128-128-640 for windows of 5 frames of
    128 mel bands. Its reconstruction errors already are anomaly scores:
    ``make_pipeline(LogMelTransformer(), AutoencoderEmbedder(), ColumnScorer())`` is the official detector.

    Parameters
    ----------
    hidden : int, default=128
        Width of the four hidden layers on either side of the bottleneck.

    bottleneck : int, default=8
        Width of the bottleneck.

    bn_momentum : float, default=0.01
        Weight of a batch in the running statistics of batch normalisation. The official 0.01 takes some 300 batches to
        forget the initial values: use more for few clips.

    outlier_exposure : bool, default=False
        Also train on clips of other machines, marked by ``proxy=``. Their target error is 1, that of the machine's own
        clips 0. See Notes.

    patch_frames : int, default=5
        Frames of a window. Clips shorter than a window are repeated in time; if all training clips are shorter,
        the network is built for the longest of them (``patch_frames_``).

    output : {"mse", "mahalanobis", "mahalanobis_textbook", "embedding"} or tuple of them, default="mse"
        What ``transform`` returns; several are concatenated. All but ``"embedding"`` are one column, the anomaly
        score of the clip. ``"mse"``: mean squared error over windows, frames and bins. ``"mahalanobis"``: the
        selective Mahalanobis score as the baseline computes it; ``"mahalanobis_textbook"``: as its paper defines it.
        ``"embedding"``: the bottleneck, merged over windows.

    standardize_input : {"bin", "global"} or None, default=None
        Standardisation of the input by mean and standard deviation of the training clips: per frequency bin, overall,
        or none, as in the baselines.
        With ``outlier_exposure=True`` use ``"bin"`` or ``"global"``, so that an error of 1 has a meaning.

    batch_size : int, default=512
        Windows in a mini-batch: 512 in the baselines of 2020 to 2022, 256 since 2023.

    max_epochs : int, default=100
        Passes over all windows of the training clips. The baselines hold out 10 % of the windows, but do not stop
        early.

    {shared}

    Attributes
    ----------
    {attributes}

    residual_precision_ : ndarray of shape (2, n_bins, n_bins)
        Inverse covariance of the reconstruction errors of the source and of the target domain; both are the same if
        there are no target clips.

    classes_ : ndarray
        Classes of the loss: ``["target"]``, or ``["proxy", "target"]`` with outlier exposure.

    See Also
    --------
    skasd.scorers.ColumnScorer : Uses a column as the anomaly score and sets the threshold.
    OEVAEEmbedder : Outlier exposure by a classifier.

    Notes
    -----
    With windows :math:`x` (flattened frame by frame, one starting at each frame) and their reconstructions
    :math:`\hat x` the loss is the mean of :math:`e(x) = \| x - \hat x \|^2 / d` over windows. All windows of all clips
    are seen in each epoch.

    ``"mahalanobis"`` follows the program of the authors of [1]_. The residuals of a clip, cut into rows
    :math:`d_1, d_2, \ldots` of one frame each, give :math:`\min_D \bar d^\top P_D \bar d`, the squared Mahalanobis
    length of the *mean* row under the source's or the target's covariance. ``"mahalanobis_textbook"`` is the minimum
    over domains of the mean of :math:`d_i^\top P_D d_i`. Covariances are computed after training, as in
    :class:`skasd.nn.SelectiveCovariance`.

    With outlier exposure [2]_ (section 2.2, equation 1) the level of abnormality is
    :math:`A = | loss_{true} - loss_{pred} |`, and :math:`loss_{true}` is 0 for normal and 1 for outlier clips: the
    training minimises :math:`| t - e(x) |` with these :math:`t`. Test clips are assumed to be normal, so their score is
    :math:`| 0 - e |`, the output ``"mse"``. That report does not say how its mel-spectrograms were scaled.

    ``section`` is accepted but ignored: until 2022 the baselines have one model for all sections of a machine, later
    one per section (:class:`skasd.compose.PerSection`).

    References
    ----------
    .. [1] N. Harada, D. Niizumi, Y. Ohishi, D. Takeuchi, M. Yasuda, "First-shot anomaly sound detection for machine
       condition monitoring: a domain generalization baseline", EUSIPCO, 2023.
    .. [2] S. Kazakova, A. Semenov, A. Surkov, S. Astapov, "Anomalous sound detection with autoencoder and image
       MobileNet using outlier exposure approach", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import AutoencoderEmbedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> embedder = AutoencoderEmbedder(max_epochs=1, output=("mse", "mahalanobis"))
    >>> embedder.fit_transform(X, domain=["source"] * 10 + ["target"] * 2).shape
    (12, 2)
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "hidden": [Interval(Integral, 1, None, closed="left")],
        "bottleneck": [Interval(Integral, 1, None, closed="left")],
        "bn_momentum": [Interval(Real, 0, 1, closed="right")],
        "outlier_exposure": ["boolean"],
    }

    _outputs = ("mse", "mahalanobis", "mahalanobis_textbook", "embedding")
    _training_batches = AllWindows
    _fused = True

    def __init__(
        self,
        hidden: int = 128,
        bottleneck: int = 8,
        bn_momentum: float = 0.01,
        *,
        outlier_exposure: bool = False,
        patch_frames: int = 5,
        merge: Any = "mean",
        output: Any = "mse",
        standardize_input: Literal["bin", "global"] | None = None,
        augmenter: Any = None,
        max_epochs: int = 100,
        batch_size: int = 512,
        lr: float = 1e-3,
        lr_schedule: Literal["onecycle", "constant"] = "constant",
        optimizer: Literal["adam", "adamw", "adamax", "sgd"] | type = "adam",
        weight_decay: float = 0.0,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        n_threads: int | None = None,
        callbacks: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            patch_frames=patch_frames,
            merge=merge,
            output=output,
            standardize_input=standardize_input,
            augmenter=augmenter,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            device=device,
            precision=precision,
            n_threads=n_threads,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
            patch_hop=1,
            mixing=None,
            domain_mixing=False,
        )
        self.hidden = hidden
        self.bottleneck = bottleneck
        self.bn_momentum = bn_momentum
        self.outlier_exposure = outlier_exposure

    def reconstruction_error(self, X: Any) -> Any:
        """Return the squared error of each bin in each frame: it shows where in a clip the anomaly is.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bins, n_frames) or list of ndarrays of shape (n_bins, n_frames_i)
            Time-frequency clips.

        Returns
        -------
        list of ndarray of shape (n_bins, n_frames_i), float32
            Mean over the windows that contain the frame, in units of the standardised input. The mean of these errors,
            weighted by the number of windows, is the output ``"mse"``. NaN for all-NaN clips (skipped files).
        """
        check_is_fitted(self)
        clips, missing = self._check_clips(X, reset=False)
        errors = [np.full(np.shape(clip), np.nan, dtype=np.float32) for clip in clips]
        if missing.all():
            return errors
        clips = take_rows(clips, ~missing)
        patches = self._make_patches(clips, self.patch_frames_)
        network = self.embedding_network_
        device = next(network.parameters()).device

        def squared(i):
            for start in np.array_split(np.arange(patches.n_starts[i]), -(-patches.n_starts[i] // 1024)):
                residual = network.residual(patches.cut(np.full(len(start), i), start).to(device))
                yield residual.square().unflatten(1, (self.patch_frames_, -1)).cpu().numpy(), start

        with torch.inference_mode(), fixed_threads(resolve_threads(self.n_threads), blas=False):
            for i, row in enumerate(np.flatnonzero(~missing)):
                n_frames = clips[i].shape[1]
                errors[row] = average_windows(squared(i), max(n_frames, self.patch_frames_))[:, :n_frames]
        return errors

    @property
    def uses_proxies(self):
        """True if clips of other machines are used in training: `outlier_exposure`."""
        return self.outlier_exposure

    def _learn_classes(self, clips, metadata, seed):
        proxy = metadata.get("proxy")
        if not self.outlier_exposure:
            self.classes_ = np.array(["target"])
            return np.zeros(len(clips), dtype=int)
        if proxy is None or proxy.all() or not proxy.any():
            raise ValueError(
                "outlier_exposure=True needs clips of the machine and of others: give proxy= with an entry per clip, "
                "True for those of other machines."
            )
        self.classes_ = np.array(["proxy", "target"])
        return (~proxy).astype(int)

    def _make_targets(self, labels, n_classes, metadata):
        is_normal = labels == n_classes - 1
        is_target = np.zeros(len(labels), dtype=bool)
        if metadata.get("domain") is not None:
            is_target = metadata["domain"] == "target"
            if is_target[is_normal].all():  # there is only one domain
                is_target = np.zeros(len(labels), dtype=bool)
        return {"loss": (~is_normal).astype(np.float32), "is_target": is_target}

    def _make_batch(self, x, targets, generator):
        return x, targets["loss"]

    def _make_patches(self, clips, patch_frames):
        return FrameStacks(clips, patch_frames)

    def _make_backbone(self, n_bins, n_frames):
        return nn.DenseAutoencoder(n_bins * n_frames, self.hidden, self.bottleneck, self.bn_momentum)

    def _make_network(self, backbone, mean, scale, n_classes):
        return nn.WindowNetwork(backbone, nn.WindowError(n_classes), mean, scale, self.patch_frames_)

    def _train(self, dataset, clips, labels):
        super()._train(dataset, clips, labels)
        self.residual_precision_ = self._residual_precision(dataset)

    def _residual_precision(self, dataset):
        """Gather the residuals' covariances in one more pass over the clips of the machine."""
        if dataset.patches.n_starts.sum() < 2:
            raise ValueError(
                f"Covariances take two windows at least; n_samples={len(dataset)} clips have one. Give more or longer "
                "clips."
            )
        network = self.net_.module_.eval()
        n_bins = self.n_features_in_
        covariance = nn.SelectiveCovariance(n_bins)
        batches = AllWindows(dataset, self.batch_size)
        batches.index, batches.start = (
            part[np.asarray(dataset.targets["loss"] == 0)[batches.index]]
            for part in (batches.index, batches.start)
        )
        parts = max(1, len(batches))
        order = torch.randperm(len(batches.index), generator=dataset.generator).numpy()
        with torch.inference_mode():
            for rows in np.array_split(order, parts):
                x, targets = dataset.batch(batches.index[rows], batches.start[rows])
                covariance.update(network.residual(x.to(self.device_)), targets["is_target"])
        if not torch.isfinite(covariance.covariance()).all():
            raise ValueError(
                f"Training of {type(self).__name__} diverged: its residuals are too large. Set a smaller lr than "
                f"{self.lr:g}; where that does not help, scale the features down."
            )
        return covariance.precision().numpy()

    def _patch_outputs(self, network, x, names):
        outputs = {}
        residual = network.residual(x)
        rows = residual.unflatten(1, (self.patch_frames_, -1))
        if "mse" in names:
            outputs["mse"] = residual.square().mean(1, keepdim=True)
        if "mahalanobis" in names:
            outputs["mahalanobis"] = rows.mean(1)
        if "mahalanobis_textbook" in names:
            outputs["mahalanobis_textbook"] = torch.stack(
                [(rows @ root).square().sum(-1).mean(1) for root in network.precision_roots], dim=1
            )
        if "embedding" in names:
            outputs["embedding"] = network.encode(x)
        return {name: outputs[name] for name in names}

    def _merge(self, values, index, name):
        merged = super()._merge(values, index, name)
        if name == "mahalanobis":  # so far the clips' mean rows
            lengths = [np.einsum("ij,jk,ik->i", merged, p, merged) for p in self.residual_precision_]
            return np.min(lengths, axis=0)[:, None]
        return merged.min(axis=1, keepdims=True) if name == "mahalanobis_textbook" else merged

    def _prepare_embedding(self):
        super()._prepare_embedding()
        # matrices W with W W^T the precision: the squared length of a row times W is exact enough in float32
        with fixed_threads(resolve_threads(self.n_threads)):
            values, vectors = np.linalg.eigh(self.residual_precision_)
        roots = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
        self.embedding_network_.precision_roots = torch.from_numpy(roots).to(self.device_, torch.float32)
