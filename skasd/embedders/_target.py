"""Sound event classification or detection as the auxiliary task."""

from .. import nn
from .._sklearn_compat import StrOptions
from ._base import BaseEmbedder
from ._choices import MIXINGS, OBJECTIVES
from ._docs import with_shared_parameters


@with_shared_parameters(BaseEmbedder)
class SoundEventTarget(BaseEmbedder):
    """Base class of embedders that take the parameter ``target``.

    Parameters
    ----------
    target : {"sec", "sed"}
        ``"sec"``, sound event classification: each clip is of one class. ``"sed"``, sound event detection [CQUPT
        2023, section 2.1.2]: several machines may sound at once, or none; the batches hold sums of clips
        (:class:`~skasd.nn.SoundEventMixing`, which wants power spectra in dB) and each class has a sigmoid of its
        own. ``predict_log_proba`` is then the log-sigmoid of each class: its exponentials do not sum to one.

    loss : {"auto", "arcface", "adacos", "subcluster_adacos", "focal", "cross_entropy", "binary_cross_entropy"}
        Objective of the auxiliary task. ``"auto"`` with ``target="sed"`` is ``"binary_cross_entropy"``, which is
        also the only one for it.

    mixing : {"auto", "mixup", "fmix"}, tuple of "mixup" and "fmix", callable or None
        Batch mixing while training; of several, one is drawn for each batch. A callable is called as
        ``mixing(x, y, generator=generator, partner=partner)``. ``"auto"`` with ``target="sed"`` is
        ``SoundEventMixing()``; pass an instance for other numbers of events, probabilities or gains.

    {shared}
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "target": [StrOptions({"sec", "sed"})],
        "loss": [StrOptions({"auto", *OBJECTIVES})],
        "mixing": [StrOptions({"auto", *MIXINGS}), tuple, list, callable, None],
    }

    _auto_loss = "cross_entropy"  # what "auto" is for target="sec"

    def _loss_name(self):
        if self.target == "sed":
            if self.loss not in ("auto", "binary_cross_entropy"):
                raise ValueError(
                    f"loss={self.loss!r} has one class per clip, but with target='sed' several may sound at once: "
                    "use loss='auto' or 'binary_cross_entropy', or target='sec'."
                )
            return "binary_cross_entropy"
        return self._auto_loss if self.loss == "auto" else self.loss

    def _make_network(self, backbone, mean, scale, n_classes):
        objective = OBJECTIVES[self._loss_name()](
            backbone.embedding_dim, n_classes, **(self.loss_params or {})
        )
        return nn.StandardizedNetwork(backbone, objective, mean, scale)

    def _make_mixing(self):
        if not (isinstance(self.mixing, str) and self.mixing == "auto"):
            return super()._make_mixing()
        return nn.SoundEventMixing() if self.target == "sed" else nn.Mixup()
