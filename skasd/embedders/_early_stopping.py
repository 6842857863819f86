"""Training that stops when the loss on held-out clips does."""

from skorch import callbacks


class EarlyStopping(callbacks.EarlyStopping):
    """Stop training when the loss on held-out clips no longer improves, and restore the best weights.

    skorch's callback of the same name, for ``callbacks=`` of an embedder, which holds out the clips. (skorch's own also
    works, with ``monitor="train_loss"`` or a score of another callback.)

    Parameters
    ----------
    patience : int, default=5
        Stop when the loss has not improved for this many epochs.

    validation_fraction : float, default=0.1
        Share of held-out clips, in (0, 1), stratified by class if possible; at least one clip.

    See Also
    --------
    Checkpoint : Resumes an interrupted training.

    Notes
    -----
    Clips are held out one by one, at random; embedders take no ``groups=``. Where clips are windows of a few
    recordings, every held-out one has neighbours among those that are trained on, and the loss goes on falling where
    that on clips of new recordings no longer does. Training is then rather ended by ``max_epochs``.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import EarlyStopping, ViTEmbedder
    >>> X = np.random.default_rng(0).normal(size=(20, 16, 20)).astype("float32")
    >>> embedder = ViTEmbedder(patch_frames=16, max_epochs=2, callbacks=[EarlyStopping(patience=3)])
    >>> "valid_loss" in embedder.fit(X, section=["a", "b"] * 10).net_.history[0]
    True
    """

    # skorch treats attributes set by its constructor as parameters, which `clone` would pass on
    monitor = "valid_loss"
    lower_is_better = True
    threshold = 1e-4
    threshold_mode = "rel"
    load_best = True

    def __init__(self, patience=5, validation_fraction=0.1):
        self.patience = patience
        self.validation_fraction = validation_fraction

    def sink(self, text):
        """Receive skorch's messages without printing them.

        Parameters
        ----------
        text : str
            The message.
        """


def out_of_patience(net):
    """Tell whether an ``EarlyStopping``, of skorch or our own, has ended the training of a net."""
    stopping = [callback for _, callback in net.callbacks_ if isinstance(callback, callbacks.EarlyStopping)]
    return any(callback.misses_ >= callback.patience for callback in stopping)
