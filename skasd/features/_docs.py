"""Docstring parts that the transformers of clips share, so that each is written once."""

from .._docs import CLIPS, shared_docstring

PARAMETERS = """
n_fft : int, default=1024
    Length of the Fourier transform in samples.

hop_length : int, default=512
    Samples from one frame to the next.

win_length : int or None, default=None
    Length of the window, centred in `n_fft` and padded with zeros; None is `n_fft`.

window : str, tuple, float or array-like of shape (win_length,), default="hann"
    Window, by its name in :func:`scipy.signal.get_window` or by its values.

center : bool, default=True
    Centre frame t at sample ``t * hop_length``, padding both ends of the clip with ``n_fft // 2`` samples. If False,
    the first frame begins at sample 0.

pad_mode : {"constant", "reflect"}, default="constant"
    What to pad with: zeros or the mirrored clip.

dtype : {"float16", "float32", "float64"}, default="float32"
    Type of the output.

fft_dtype : {"float32", "float64"} or None, default=None
    Precision of the arithmetic; None is that of X: float64 for float64 arrays, float32 for all others and for files.
"""

with_shared_docstring = shared_docstring(CLIPS + PARAMETERS)
