"""Spectrograms of a window that slides over a stream."""

from sklearn.base import clone


class SlidingFrames:
    """Spectrograms of windows that follow each other at a fixed hop; inner frames are computed once.

    Each frame of the transformer depends on the samples under it alone; the hop is a multiple of its `hop_length`.
    """

    def __init__(self, transformer, n_samples, hop):
        dtype = transformer.fft_dtype or "float32"
        self._whole = transformer.waveform_function(dtype)
        self._inner = clone(transformer).set_params(center=False).waveform_function(dtype)
        self._step, self._n_fft = transformer.hop_length, transformer.n_fft
        self._pad = self._n_fft // 2 if transformer.center else 0
        self._lost = getattr(transformer, "preemphasis", None) is not None  # its first sample
        self._shift = hop // self._step
        # frames that see no edge
        self._first = -(-self._pad // self._step)
        self._last = (n_samples - self._lost + self._pad - self._n_fft) // self._step + 1
        self._frames = None

    def reset(self):
        """Say that the next window does not follow the last one."""
        self._frames = None

    def __call__(self, window):
        """Return the spectrogram of the next window, lent until the next call."""
        first, last, shift = self._first, self._last, self._shift
        if self._frames is None or shift >= last - first:
            self._frames = self._whole(window)
            return self._frames
        frames, known = self._frames, last - shift
        frames[:, first:known] = frames[:, first + shift : last]
        begin, end = self._place(known), self._place(last - 1) + self._n_fft
        self._inner(window[begin : end + self._lost], frames[:, known:last])
        if first:
            end = self._place(first - 1) + self._n_fft
            frames[:, :first] = self._whole(window[: end + self._lost])[:, :first]
        if last < frames.shape[1]:
            # so much of the window that the frames sought lie beyond those that see its beginning
            frames[:, last:] = self._whole(window[(last - first) * self._step :])[:, first:]
        return frames

    def _place(self, frame):
        return frame * self._step - self._pad


def check_sliding(step, n_samples, hop):
    """Raise ValueError unless the hop is a multiple of ``step``, so that windows can share what is computed of them.

    None: nothing can be shared.
    """
    if step is None:
        raise ValueError("Windows share no frames with these settings: use transform on whole windows.")
    if n_samples < 1 or hop < 1 or hop % step:
        raise ValueError(f"n_samples={n_samples} and hop={hop}: hop must be a multiple of {step} samples.")
