"""Clips as one collection: checked, read one at a time."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np
from joblib import effective_n_jobs

from ._audio_file import Header, read_header, read_samples
from ._checks import array_length, check_clips, is_path, pcm_to_float
from ._elsewhere import filled_elsewhere, is_elsewhere
from ._errors import BadClip, report
from ._kept_buffers import KeptBuffers
from ._limits import beyond, check_header, check_limits


class Clips:
    """A checked view of a collection of clips, read one at a time.

    The constructor checks only the collection. File headers are read when `n_samples` or `causes` is first accessed;
    samples are read by `map` and by iteration, a few clips at a time, never the whole collection.

    Parameters
    ----------
    X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        The clips. Arrays must already be at `sample_rate`.

    sample_rate : int, default=16000
        Sample rate in Hz to which files are resampled (by soxr, at its "HQ" quality).

    channel : "mean" or int, default="mean"
        How to reduce a file with several channels: to their mean, or to the channel with that number (from 0; negative
        numbers count from the last). Arrays have one channel.

    on_error : {"raise", "skip"}, default="raise"
        With "raise", one :class:`ClipError` lists all bad clips. With "skip", one :class:`ClipWarning` lists them, and
        the other clips are used.

    min_samples : int, default=1
        Minimum number of samples (at `sample_rate`) of a clip.

    min_samples_reason : str, default=""
        Reason added to the message about clips that are too short.

    limits : dict or None, default=None
        Limits that replace those of :data:`LIMITS`, by name, such as ``{"max_seconds": 7200}``.

    Notes
    -----
    Waveforms of float64 and float32 arrays keep their precision; float16 and integer arrays and all files become
    float32. Signed integers are divided by 2^(bits-1), 8-bit unsigned ones (the format of 8-bit WAV) are shifted by 128
    first; 64-bit integers are refused, since no recording has that format and their full scale is unknown.

    Bad clips are missing and empty files, folders, pipes and devices, files that are not audio, truncated files, files
    without the given `channel`, clips with NaN or infinite samples, clips shorter than `min_samples` or beyond
    `limits`, and clips that need more memory than there is. Truncation is detected in WAV, AIFF, AU, CAF, FLAC, MP3,
    OGG, RF64, SVX and W64; headers of streamed files that leave the length open (a data size of 0 in WAV, or of about 2
    or 4 GiB: "until the end") are accepted. Digital silence is valid.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.clips import Clips
    >>> clips = Clips([np.array([0.5, -0.5]), np.array([0, 16384, 0], dtype=np.int16)])
    >>> clips.n_samples
    array([2, 3])
    >>> [waveform.max().item() for waveform in clips]
    [0.5, 0.5]
    """

    def __init__(
        self,
        X: Any,
        *,
        sample_rate: int = 16000,
        channel: Literal["mean"] | int = "mean",
        on_error: Literal["raise", "skip"] = "raise",
        min_samples: int = 1,
        min_samples_reason: str = "",
        limits: dict | None = None,
    ):
        if channel != "mean" and (
            isinstance(channel, (str, bool)) or not isinstance(channel, (int, np.integer))
        ):
            raise ValueError(f'channel must be "mean" or an integer, got {channel!r}.')
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error must be "raise" or "skip", got {on_error!r}.')
        if not sample_rate > 0:
            raise ValueError(f"sample_rate must be positive, got {sample_rate!r}.")
        self.sample_rate = sample_rate
        self.channel = channel
        self.on_error = on_error
        self.min_samples = min_samples
        self.min_samples_reason = min_samples_reason
        self.limits = check_limits(limits)
        self._clips = check_clips(X)
        self._buffers = KeptBuffers()
        self._headers: dict[int, Header] = {}
        self._lengths: np.ndarray | None = None
        self._causes: dict[int, str] = {}
        self.reports = True

    def __len__(self):
        return len(self._clips)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_buffers"}

    def __setstate__(self, state):
        vars(self).update(state, _buffers=KeptBuffers())

    def __iter__(self) -> Iterator[np.ndarray | None]:
        """Yield each waveform as a separate array (None for a skipped clip).

        Faults that headers do not show (NaN, damaged data) are found during the iteration; `map` checks all clips
        first.
        """
        if self.causes and self.on_error == "raise":
            self.map(lambda i, waveform: None)
        for i in range(len(self)):
            waveform = self._load(i)
            if waveform is None and self.on_error == "raise":
                self._report()
            yield None if waveform is None else waveform.copy()
        self._report()

    @property
    def array(self) -> np.ndarray | None:
        """The clips themselves, unconverted, if they are an array (n_clips, n_samples); otherwise None."""
        return self._clips if isinstance(self._clips, np.ndarray) else None

    @property
    def n_samples(self) -> np.ndarray:
        """Length of each clip at `sample_rate`; -1 if the clip is known to be bad."""
        if self._lengths is None:
            lengths = np.full(len(self), -1)
            for i, clip in enumerate(self._clips):
                with self._noting_the_cause(i):
                    length = self._file_length(i, clip) if is_path(clip) else array_length(clip)
                    if length < self.min_samples:
                        raise BadClip(self._too_short(length))
                    lengths[i] = length
            self._lengths = lengths
        return self._lengths

    @property
    def causes(self) -> dict[int, str]:
        """The bad clips found so far, by position, with the cause."""
        _ = self.n_samples
        return self._causes

    @property
    def dtypes(self):
        """The set of floating point types of the waveforms: float32, float64 or both."""
        wide = {getattr(clip, "dtype", None) == np.float64 for clip in self._clips}
        return {np.dtype(np.float64 if is_wide else np.float32) for is_wide in wide}

    def map(
        self,
        function: Callable,
        *,
        n_jobs: int | None = None,
        verbose: int = 0,
        description: str = "reading clips",
    ) -> Any:
        """Call ``function(position, waveform)`` for every good clip and return the results in order.

        Parameters
        ----------
        function : callable
            Receives the position of the clip and its waveform, a contiguous 1-D float array that must not be written to
            and is overwritten once the function has returned. If the function raises :class:`BadClip`, the clip is bad,
            with the exception's message as the cause.

        n_jobs : int, default=None
            Number of threads, each of which works on one clip. The function should spend its time in code that releases
            the interpreter lock. None means 1 unless in a :obj:`joblib.parallel_config`.

        verbose : int, default=0
            Show a progress bar if positive.

        description : str, default="reading clips"
            Text in front of the progress bar.

        Returns
        -------
        results : list
            What the function returned; None for skipped clips.

        Raises
        ------
        ClipError
            If there are bad clips and `on_error` is "raise". All clips are checked first, so that the error is
            complete, but the function is no longer called once a bad clip has been found.
        """
        results = [None] * len(self.n_samples)  # all headers are read by now

        def run(positions):
            for i in positions:
                waveform = self._load(i)
                if waveform is not None and not (self.causes and self.on_error == "raise"):
                    with self._noting_the_cause(i):
                        results[i] = function(i, waveform)
            return len(positions)

        # the backend of dask counts its workers whatever n_jobs says
        n_threads = 1 if n_jobs == 1 else min(effective_n_jobs(n_jobs), len(self))
        # short runs of clips: few enough calls to cost nothing, many enough to share the work evenly
        step = 1 if verbose and n_threads == 1 else max(1, min(16, len(self) // (16 * n_threads)))
        runs = [range(a, min(a + step, len(self))) for a in range(0, len(self), step)]
        with ExitStack() as stack:
            if n_threads == 1:
                done = map(run, runs)
            else:
                pool = ThreadPoolExecutor(n_threads)
                # after an error in one run those not yet begun are given up
                stack.callback(pool.shutdown, cancel_futures=True)
                done = pool.map(run, runs)  # type: ignore[assignment]
            bar = _no_bar
            if verbose:
                from tqdm.auto import tqdm

                bar = stack.enter_context(tqdm(total=len(self), desc=description, unit="clip")).update
            for n in done:
                bar(n)
        self._report()
        return results

    def fill(
        self,
        out: Any,
        write: Callable,
        prepared: Any,
        *,
        n_jobs: int | None = None,
        verbose: int = 0,
        description: str = "reading clips",
    ) -> None:
        """Write an array for each clip, in threads or in the workers of joblib's backend.

        Parameters
        ----------
        out : ndarray of shape (n_clips, ...), or list of ndarrays
            Where the results go. The values for bad clips are undefined.

        write : bound method
            Called as ``write(clips, out, prepared, **options)``; must call ``clips.map(..., **options)`` with a
            function that writes into ``out``. It is called once with all clips, or in workers, to which it is sent by
            pickle, with some of the clips and their entries of `out`.

        prepared : object
            What `write` receives in this process; in workers it receives None and must prepare the same by itself.

        n_jobs : int, default=None
            Number of threads or workers. None means 1 unless in a :obj:`joblib.parallel_config`.

        verbose : int, default=0
            Show a progress bar if positive.

        description : str, default="reading clips"
            Text in front of the progress bar.

        Raises
        ------
        ClipError
            As in `map`.

        Notes
        -----
        Threads are used unless a :obj:`joblib.parallel_config` names a backend whose workers share no memory, such as
        "loky" or "dask". Such workers receive a few clips at a time, as paths (which must be valid where they run) or
        waveforms, and send back arrays.
        """
        options = {"n_jobs": n_jobs, "verbose": verbose, "description": description}
        if not is_elsewhere(n_jobs) or len(self) < 2:
            write(self, out, prepared, **options)
            return
        if not (self.causes and self.on_error == "raise"):
            self._causes |= filled_elsewhere(self, out, write, **options)
            for i in self._causes:
                self.n_samples[i] = -1
        if self.causes and self.on_error == "raise":
            self.map(lambda i, waveform: None)  # finds all that are bad
        self._report()

    def _load(self, i):
        """Return the waveform of clip i, perhaps in a kept buffer; None (and note the cause) if it is bad."""
        if i in self.causes:
            return None
        clip = self._clips[i]
        with self._noting_the_cause(i):
            waveform = self._read(i, clip) if is_path(clip) else self._from_array(clip)
            self._check_amplitude(waveform)
            return waveform
        return None

    @contextmanager
    def _noting_the_cause(self, i):
        """Note why clip i is bad, if the block finds it so."""
        try:
            yield
        except BadClip as bad:
            self._causes[i] = str(bad)
        except (MemoryError, OverflowError) as error:
            self._causes[i] = f"it takes more memory than there is ({error or type(error).__name__})"
        if i in self._causes and self._lengths is not None:
            self._lengths[i] = -1

    def _check_amplitude(self, waveform):
        # one call, and no temporary array: where the sum of squares is small, so is every sample
        highest = self.limits["max_amplitude"]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.dot(waveform, waveform) < highest * highest:
                return
        if not np.isfinite(waveform).all():
            kind = "NaN" if np.isnan(waveform).any() else "infinite"
            raise BadClip(f"it contains {kind} samples (only finite ones are allowed, no NaN, no inf)")
        if (peak := np.abs(waveform).max()) > highest:
            raise BadClip(
                f"it contains a sample of magnitude {peak:.3g}, beyond max_amplitude={highest:.3g}: sound in floats "
                "lies in [-1, 1)"
            )

    def _from_array(self, clip):
        return pcm_to_float(clip, self._buffers.array("converted", clip.shape, np.float32))

    def _file_length(self, i, path):
        header = self._headers[i] = read_header(path)
        check_header(header, self.limits)
        if self.channel != "mean" and not -header.channels <= self.channel < header.channels:
            raise BadClip(f"channel={self.channel} asked for, but it has {header.channels} channel(s)")
        # soxr rounds the new length half up
        rate = header.sample_rate
        length = (2 * header.frames * int(self.sample_rate) + rate) // (2 * rate)
        if length > self.limits["max_samples"]:
            raise BadClip(
                f"it would have {length} samples at {self.sample_rate} Hz, {beyond('max_samples', self.limits)}"
            )
        return length

    def _read(self, i, path):
        header = self._headers[i]
        samples = read_samples(path, header, self._buffers)
        if header.channels > 1:
            mono = self._buffers.array("mono", (header.frames,), np.float32)
            if self.channel == "mean":
                with np.errstate(over="ignore", invalid="ignore"):  # looked for below
                    samples.mean(axis=1, out=mono)
            else:
                mono[:] = samples[:, self.channel]
            samples = mono
        if header.sample_rate != self.sample_rate:
            import soxr  # like soundfile: imported only if files are read

            samples = soxr.resample(samples, header.sample_rate, self.sample_rate)
        return samples

    def _too_short(self, length):
        if length == 0:
            return f"it is empty (no samples at {self.sample_rate} Hz)"
        reason = f" ({self.min_samples_reason})" if self.min_samples_reason else ""
        return f"it is too short: {length} samples, at least {self.min_samples} needed{reason}"

    def _report(self):
        """Raise the error, or give the warning, that lists the bad clips."""
        if not self.reports:
            return
        bad = {i: (self._name(i), self.causes[i]) for i in sorted(self.causes)}
        report(bad, len(self), self.on_error)

    def _name(self, i):
        clip = self._clips[i]
        if is_path(clip):
            return repr(os.fspath(clip))
        return f"array of shape {clip.shape}" if isinstance(clip, np.ndarray) else type(clip).__name__


def _no_bar(n):
    """Stand in for a progress bar."""
