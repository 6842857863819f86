"""A detector that listens to a stream."""

import math
from numbers import Real
from typing import Any, Literal, Self

import numpy as np

from .._typing import ArrayLike, PathName
from ..compose import fitted_steps, sample_rate_of
from ._checks import check_whole_number, checked_samples, seconds_above_zero, status_of
from ._event import Event
from ._evidence import Evidence
from ._front_ends import SlidingWindows, WholeWindows, sliding_step
from ._learning_stream import LearningStream
from ._stored_stream import StoredStream
from ._window_buffer import WindowBuffer


class StreamingDetector(LearningStream, StoredStream):
    r"""Windows of a stream in, judgements and alarms out.

    Parameters
    ----------
    detector : estimator
        A fitted detector that takes waveforms: :class:`~skasd.detector.AnomalousSoundDetector`, or a pipeline that
        begins with a front end.

    window : float, default=10.0
        Length of a window in s: that of the clips which the detector was fitted on, so that scores and threshold mean
        the same.

    hop : float, default=1.0
        From one window to the next, in s. Where the front end computes each frame once (see Notes) it is rounded to a
        whole number of its steps; `hop_` is what became of it.

    alarm : {"confirm", "martingale", "ewma"}, default="confirm"
        When an alarm is raised. "confirm": by `confirm`, which is fast. "martingale": when the evidence of windows that
        do not overlap exceeds a bound; keeps a stated risk of a false alarm and finds slow, faint changes. "ewma": when
        a moving average of the scores exceeds a limit; keeps a stated time between false alarms, needs `calibrate`.

    confirm : tuple of (int, int), default=(2, 3)
        (k, n): an alarm takes k anomalous ones of the last n windows.

    alpha : float in (0, 1), default=0.01
        Risk that the martingale ever raises a false alarm, and that `drift` reports a drift where there is none.

    hours_per_false_alarm : float, default=8.0
        Hours of healthy sound until "ewma" raises a false alarm, in the mean, above 0.

    release : int or None, default=None
        Normal windows in a row that end an alarm. None: as many as begin within the length of a window, and at least n
        of `confirm`, so that none of them contains the sound that raised the alarm.

    max_clipped : float, default=0.001
        Share of samples cut off at full scale, in [0, 1], up to which a window is scored.

    learn_batch : int, default=32
        Windows that `learn_one` gathers before the detector learns them.

    sample_rate : int or None, default=None
        Of the stream, in Hz; None: that of the detector, which it must be in any case.

    fast : bool, default=True
        Compute what overlapping windows share once, where the front end can.

    random_state : int, default=0
        Seed of the order in which the martingale ranks equal scores.

    Attributes
    ----------
    window_, hop_ : float
        Seconds, as used: both are whole numbers of samples.
    is_sliding_ : bool
        Whether windows share frames.
    alarm_ : bool
        Whether an alarm stands.
    state_ : {"watching", "learning", "hold"}
        Of a window that begins now.
    last_window_ : ndarray of shape (n_samples,) or None
        The window that `process` judged last; None before the first.
    notes_ : dict
        What `save` was given to keep, after `restore`; else empty.
    threshold_ : float or None
        Score above which windows are anomalous: that of the detector (None where it does not say), or after
        `calibrate` the stream's own.
    calibration_scores_ : ndarray of shape (n_windows,) or None
        Scores of the windows that `calibrate` took, so far; None where it is not asked for.
    calibration_progress_ : tuple of (int, int) or None
        Windows that `calibrate` has taken, and takes in all; None where it is not under way.
    time_ : float
        Seconds of the stream so far, gaps included.

    See Also
    --------
    Event : What comes out.
    skasd.detector.AnomalousSoundDetector : The default detector.

    Notes
    -----
    Window k begins at k times the hop after the beginning or the last gap, in whatever portions the samples arrive. Its
    score is that of the window as a clip of its own, up to rounding. At most two windows of sound are kept.

    **Each frame once.** If the detector begins with `LogMelTransformer`, `STFTTransformer` or the shipped encoder
    (:class:`~skasd.PretrainedEmbedder`), frames and encoder outputs that do not touch an edge of the window are reused
    from window to window; those at the edges are recomputed. Other detectors score whole windows.

    **False alarms.** Every alarm of "confirm" needs k anomalous windows of its own. So there are at most
    :math:`\pi / k` alarms per window on average, where :math:`\pi` is the detector's false-alarm rate
    (`contamination`), however strongly overlapping windows depend on each other: 3600 / hop times that per hour.

    "martingale" ranks every window that does not overlap the last one it ranked among the detector's calibration
    scores and all windows since, except those of alarms. As long as nothing changes (scores are exchangeable), these
    p-values are uniform and independent [1]_. A bettor multiplies the capital by :math:`\epsilon p^{\epsilon-1}`,
    which has a mean of 1 [2]_; the capital is spread over bettors with 20 powers :math:`\epsilon` that start at all
    times. By Ville's inequality, the probability that it ever reaches `1 / alpha`, which raises the alarm, is at most
    `alpha`, however long the stream. After each alarm it starts again. Scores of machines whose load drifts over
    minutes are not exchangeable; ``benchmarks/streaming.py`` measures the effect.

    "ewma" is an exponentially weighted moving average of normal scores of windows [3]_: every second counts once, and
    half of it is forgotten after three windows. An alarm is raised when the average rises from the healthy mean to a
    limit. `calibrate` sets the limit from the heights of such excursions in the stream itself [4]_, whose squares have
    an exponential tail, so that there is one false alarm in `hours_per_false_alarm` on average, however windows depend
    on each other, as long as healthy sound stays as in the calibration. It suits faults that grow: windows that are
    each slightly high add up, slow drift does not.

    "confirm" and "martingale" assume that the stream scores like the recordings that the detector was calibrated on. A
    machine that always scores higher or lower needs its own `calibrate`.

    An alarm ends after `release` normal windows in a row. With "martingale" the capital (capped at `1 / alpha`) must
    also have fallen to 1, with "ewma" the average (capped at the limit) to the healthy mean.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world", Springer, 2005.
    .. [2] V. Vovk, I. Nouretdinov and A. Gammerman, "Testing exchangeability on-line", ICML 2003.
    .. [3] S. W. Roberts, "Control chart tests based on geometric moving averages", Technometrics 1, 1959.
    .. [4] N. F. Zhang, "A statistical control chart for stationary process data", Technometrics 40, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import AnomalousSoundDetector
    >>> from skasd.streaming import StreamingDetector
    >>> random = np.random.default_rng(0)
    >>> healthy = random.normal(scale=0.1, size=(20, 16000)).astype(np.float32)
    >>> stream = StreamingDetector(AnomalousSoundDetector().fit(healthy), window=1.0, hop=0.5)
    >>> events = stream.process(random.normal(scale=0.1, size=24000))
    >>> [(event.start, event.end, event.decision) for event in events]
    [(0.0, 1.0, 1), (0.5, 1.5, 1)]
    >>> hum = 0.1 * np.sin(np.arange(32000) / 9)
    >>> stream.process(random.normal(scale=0.1, size=32000) + hum)[-1].alarm
    True
    """

    def __init__(
        self,
        detector: Any,
        *,
        window: float = 10.0,
        hop: float = 1.0,
        alarm: Literal["confirm", "martingale", "ewma"] = "confirm",
        confirm: tuple[int, int] = (2, 3),
        alpha: float = 0.01,
        hours_per_false_alarm: float = 8.0,
        release: int | None = None,
        max_clipped: float = 0.001,
        learn_batch: int = 32,
        sample_rate: int | None = None,
        fast: bool = True,
        random_state: int = 0,
    ):
        self.detector = detector
        self.window, self.hop = seconds_above_zero("window", window), seconds_above_zero("hop", hop)
        self.alarm, self.confirm, self.alpha, self.release = alarm, confirm, alpha, release
        self.max_clipped, self.fast, self.random_state = max_clipped, fast, random_state
        if not isinstance(max_clipped, Real) or not 0 <= max_clipped <= 1:
            raise ValueError(f"max_clipped={max_clipped!r} must be in 0 to 1.")
        if not isinstance(alpha, Real) or not 0 < alpha < 1:
            raise ValueError(f"alpha={alpha!r} must be above 0 and below 1.")
        if not isinstance(hours_per_false_alarm, Real) or not 0 < hours_per_false_alarm < math.inf:
            raise ValueError(f"hours_per_false_alarm={hours_per_false_alarm!r} must be a number above 0.")
        self.hours_per_false_alarm = hours_per_false_alarm
        check_whole_number("learn_batch", learn_batch)
        self.learn_batch = learn_batch
        self._learn_from, self._pending = 0, []
        self.sample_rate = sample_rate_of(detector, sample_rate)
        step = sliding_step(detector) if fast else None
        self._n_window, n_hop = round(window * self.sample_rate), max(1, round(hop * self.sample_rate))
        if self._n_window < 1:
            raise ValueError(f"window={window!r} s is no sample at {self.sample_rate} Hz.")
        self.is_sliding_ = step is not None and step <= self._n_window
        self._n_hop = max(1, round(n_hop / step)) * step if self.is_sliding_ else n_hop
        self.window_, self.hop_ = self._n_window / self.sample_rate, self._n_hop / self.sample_rate
        self._buffer = WindowBuffer(self._n_window, self._n_hop)
        n_per_alarm = 3600 * hours_per_false_alarm * self.sample_rate
        self._evidence = Evidence(
            detector, alarm, confirm, alpha, release, random_state, self._n_window, self._n_hop, n_per_alarm
        )
        self._learn_until = self._hold_until = 0
        self.notes_: dict = {}
        self._front: Any = (
            SlidingWindows(detector, self._n_window, self._n_hop)
            if self.is_sliding_
            else WholeWindows(detector)
        )

    def process(self, samples: ArrayLike) -> list[Event]:
        """Take in the next samples of the stream.

        Parameters
        ----------
        samples : array-like of shape (n_samples,)
            Any number of them, or none: floats with 1 as full scale, or PCM of 8, 16 or 32 bits.

        Returns
        -------
        list of Event
            One for each window that these samples complete.

        Raises
        ------
        ValueError
            If samples do not have shape (n_samples,), or their type is not a sample format.
        RuntimeError
            With "ewma", if `calibrate` was not called, or the detector has learnt since.
        """
        samples = checked_samples(samples)
        self._check_can_judge()
        windows = self._buffer.push(samples)
        try:
            return [self._judge(start, window, self._front) for start, window in windows]
        finally:
            # after an error the remaining windows are skipped, so that their samples count as heard
            for _ in windows:
                self._front.reset()

    def judge(self, clip: ArrayLike) -> Event:
        """Judge a clip of any length as a whole, as the next window of the stream.

        Parameters
        ----------
        clip : array-like of shape (n_samples,)
            Sound that does not continue the samples before, such as a separate file.

        Returns
        -------
        Event
            Its times are those of the stream, which advances by the length of the clip.

        Raises
        ------
        ValueError
            If the clip has no samples or another shape, or its type is not a sample format.
        RuntimeError
            As in `process`.
        """
        clip = checked_samples(clip)
        if not len(clip):
            raise ValueError("The clip is empty: it takes at least one sample to judge it.")
        self._check_can_judge()
        self._leave_out(0)
        event = self._judge(self._buffer.position, clip, WholeWindows(self.detector))
        self._leave_out(len(clip))
        return event

    def gap(self, seconds: float):
        """Skip a part of the stream that was not heard; the next window begins after it.

        Parameters
        ----------
        seconds : float
            At least 0.
        """
        if not isinstance(seconds, Real) or not 0 <= seconds < math.inf:
            raise ValueError(f"seconds={seconds!r} must be 0 or more.")
        self._leave_out(round(seconds * self.sample_rate))
        self._evidence.rule.interrupt()

    def hold(self, seconds: float | None = None):
        """Judge windows without counting them, such as during work on the machine or while it is off.

        Parameters
        ----------
        seconds : float or None, default=None
            Duration; None: until `resume`.
        """
        self._hold_until = None if seconds is None else self._buffer.position + self._n_samples(seconds)
        self._evidence.rule.interrupt()

    def resume(self):
        """Count windows that begin from now on again: end `hold`, `learn` and `calibrate`.

        Raises
        ------
        ValueError
            If `calibrate` has not heard enough for the limit of "ewma".
        """
        if self._evidence.is_calibrating:
            self._evidence.check_length(len(self._evidence.own.scores))
        here = self._buffer.position
        self._hold_until = here if self._hold_until is None else min(self._hold_until, here)
        if self._learn_until:
            self._end_learning()
        if self._evidence.is_calibrating:
            self._evidence.end_calibration()

    def acknowledge(self):
        """End the current alarm, and forget what raised it."""
        self._evidence.rule.clear()

    @property
    def alarm_(self) -> bool:
        """True while there is an alarm."""
        return self._evidence.rule.alarm

    @property
    def time_(self) -> float:
        """Seconds of the stream so far, gaps included."""
        return self._buffer.position / self.sample_rate

    @property
    def last_window_(self) -> np.ndarray | None:
        """The samples of the window that `process` judged last; None before the first."""
        window = self._buffer.last_window
        return None if window is None else window.copy()

    @property
    def state_(self) -> str:
        """State of a window that begins now: "watching", "learning" or "hold"."""
        return self._state_at(position := self._buffer.position, position + 1)

    @classmethod
    def load(cls, path: PathName, detector: Any, **parameters) -> Self:
        """Return a stream with the state that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file.
        detector : estimator
            The same as when saved.
        **parameters : dict
            The other parameters, the same as when saved.

        Returns
        -------
        StreamingDetector

        Raises
        ------
        StreamStateError
            If the file holds no state, or that of a stream with other settings or another detector.
        """
        return cls(detector, **parameters).restore(path)

    def _leave_out(self, n_samples):
        self._buffer.gap(n_samples)
        self._front.reset()

    def _judge(self, start, window, front):
        end = start + len(window)
        if self._learn_until and end > self._learn_until:
            self._end_learning()
        state, status = self._state_at(start, end), status_of(window, self.max_clipped)
        score = p = math.nan
        decision = 0
        if status == "ok":
            score, threshold = front.score(window)
            self._evidence.begin_anew_if_changed()  # the detector may have learnt meanwhile
        if math.isnan(score):  # also from detectors with on_error="skip"
            self._front.reset()
            state = "hold"
        else:
            last = fitted_steps(self.detector)[-1]
            if (own := self._evidence.calibration) is not None:
                threshold, p = own.threshold, own.p_value(score)
            elif hasattr(last, "p_value_of_scores"):
                p = float(last.p_value_of_scores([score])[0])
            decision = -1 if score > threshold else 1
        if state == "learning":
            self._learn_on(start, end, window, score)
        elif state == "watching" and not self._evidence.lacks_calibration:
            self._evidence.count(score, decision, start, end)
        rule, rate = self._evidence.rule, self.sample_rate
        return Event(start / rate, end / rate, score, p, decision, rule.alarm, state, status, rule.evidence)

    def _state_at(self, start, end):
        """Return the state of a window."""
        if self._hold_until is None or start < self._hold_until:
            return "hold"
        if end <= self._learn_until or self._evidence.is_calibrating:
            return "learning"
        return "hold" if self._evidence.lacks_calibration else "watching"
