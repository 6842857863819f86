"""A page about a stream, rewritten while the stream goes on."""

import math
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from .. import __version__
from .._typing import PathName
from ..explain import Explanation
from ..streaming import Event
from ._clips import encoded, spectrograms
from ._page import Page
from ._pictures import data_uri, spectrogram_picture, stream_picture

_N_BINS = 480  # of the picture
_MOST_SECONDS = 20.0  # of sound of an alarm
_MOST_DRAWN = 60.0  # s, of its picture


class LivePage:
    """A page about a stream: the score over the last hours, and the last alarms with their picture and sound.

    It is one self-contained file, rewritten as a whole, that reloads itself in the browser.

    Parameters
    ----------
    path : path-like
        The HTML file.
    title : str
        Its heading.
    detector : estimator or None, default=None
        Its front end makes the spectrograms, if it computes any.
    hours : float, default=6.0
        How far back the picture goes.
    n_alarms : int, default=5
        Number of alarms that are shown.
    every : float, default=10.0
        Seconds after which `write_if_due` writes again, and the browser reloads.
    unexplained : str, default=""
        Why alarms have no explanation, and what is needed for one; shown above them.

    See Also
    --------
    report_scores : The report on a complete set of recordings.

    Notes
    -----
    Times are those of the computer's clock and place. The picture shows the highest score of each of at most 480
    stretches of time. Memory does not grow.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skasd.report import LivePage
    >>> from skasd.streaming import Event
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = LivePage(Path(folder, "live.html"), "Pump 3")
    ...     page.add(Event(0.0, 10.0, 3.2, 0.4, 1, False, "watching", "ok", 0.0), when=1.7e9, threshold=5.0)
    ...     page.write()
    ...     "No alarm" in Path(folder, "live.html").read_text()
    True
    """

    def __init__(
        self,
        path: PathName,
        title: str,
        *,
        detector: Any = None,
        hours: float = 6.0,
        n_alarms: int = 5,
        every: float = 10.0,
        unexplained: str = "",
    ):
        if not 0 < hours < math.inf:
            raise ValueError(f"hours={hours!r} must be above 0.")
        self.path, self.title, self.detector, self.hours, self.every = path, title, detector, hours, every
        self.unexplained = unexplained
        # of each stretch of time: begin, highest score, alarm, numbers of windows, of anomalous and of unjudged ones
        self.bins: deque = deque()
        self.alarms: deque = deque(maxlen=n_alarms)
        self.last: dict = {}
        self.threshold: float | None = None
        self.alarm_since: float | None = None
        self._next = -math.inf

    def add(self, event: Event, when: float, threshold: float | None = None):
        """Add the judgement of a window.

        Parameters
        ----------
        event : Event
            The judgement.
        when : float
            The end of the window, in seconds since 1970.
        threshold : float or None, default=None
            Score above which a window is called anomalous.
        """
        width = self.hours * 3600 / _N_BINS
        place = math.floor(when / width) * width
        if not self.bins or place > self.bins[-1][0]:
            self.bins.append([place, None, False, 0, 0, 0])
        entry = self.bins[-1]
        if math.isfinite(event.score):
            entry[1] = event.score if entry[1] is None else max(entry[1], event.score)
        entry[2] |= event.alarm
        entry[3] += 1
        entry[4] += event.decision < 0
        entry[5] += event.status != "ok"
        while self.bins[0][0] <= place - self.hours * 3600:
            self.bins.popleft()
        if event.alarm and self.alarm_since is None:
            self.alarm_since = when
        elif not event.alarm:
            self.alarm_since = None
        self.last, self.threshold = {**event.to_dict(), "when": when}, threshold

    def add_alarm(
        self,
        event: Event,
        when: float,
        waveform: np.ndarray | None,
        sample_rate: int,
        name: str = "",
        explanation: Explanation | None = None,
    ):
        """Take in an alarm, with the sound of the window that raised it.

        Parameters
        ----------
        event : Event
            The judgement of that window.
        when : float
            Its end, in seconds since 1970.
        waveform : ndarray of shape (n_samples,) or None
            Its samples.
        sample_rate : int
            In Hz.
        name : str, default=""
            Name of the file, where it is one.
        explanation : Explanation or None, default=None
            Of the score of these samples, as :func:`skasd.explain.explain` gives it: its sentence stands beside the
            picture, its segments are boxes on it.
        """
        entry = {**event.to_dict(), "when": when, "name": name, "picture": None, "sound": None}
        if explanation is not None:
            entry["why"] = [explanation.sentence, str(explanation.nearest_)]
        if waveform is not None:
            drawn = waveform[: round(_MOST_DRAWN * sample_rate)]
            boxes = explanation if len(drawn) == len(waveform) else None
            (found,), axes, unit, limits = spectrograms(
                [np.asarray(drawn, np.float32)], self.detector, sample_rate
            )
            label = f"the alarm at {_moment(when)}"
            entry["picture"] = spectrogram_picture(found, axes, unit, limits, label, boxes)
            sound = waveform[: round(_MOST_SECONDS * sample_rate)]
            entry["sound"] = data_uri(encoded(sound, sample_rate), "audio/flac")
        self.alarms.appendleft(entry)

    def write(self):
        """Write the page, whole or not at all."""
        page = Page(self.title)
        page.reload(self.every)
        page.verdict(*self._verdict())
        page.note(f"Written at {_moment(time.time())}, {time.strftime('%Z')}.")
        if self.bins:
            page.key_figures(self._figures())
            page.section(f"The last {self.hours:g} hours")
            bins = list(self.bins)
            scores = np.array([np.nan if entry[1] is None else entry[1] for entry in bins])
            moments = [datetime.fromtimestamp(entry[0]) for entry in bins]
            page.picture(
                *stream_picture(
                    np.array(moments, dtype="datetime64[ms]"),
                    scores,
                    self.threshold,
                    np.array([entry[2] for entry in bins]),
                    np.array([entry[5] > 0 for entry in bins]),
                ),
                "Highest score in each stretch of time; shaded: an alarm stood.",
            )
        page.section("Last alarms")
        if self.unexplained:
            page.missing(self.unexplained)
        if not self.alarms:
            page.paragraph("None so far.")
        for entry in self.alarms:
            page.begin("clip")
            page.subsection(_moment(entry["when"]))
            page.paragraph(_facts(entry))
            if "why" in entry:
                sentence, healthy = entry["why"]
                page.paragraph(f"To the detector: {sentence}.")
                page.note(f"The nearest healthy recording is {healthy}.")
            if entry["picture"]:
                page.picture(*entry["picture"])
                page.audio(entry["sound"], f"Sound of the alarm at {_moment(entry['when'])}")
            page.end("clip")
        page.write(self.path, f"skasd {__version__}")

    def write_if_due(self, now: float | None = None):
        """Write the page if `every` seconds have passed since this was last done.

        Parameters
        ----------
        now : float or None, default=None
            Time in seconds; None: the clock's.
        """
        now = time.monotonic() if now is None else now
        if now >= self._next:
            self._next = now + self.every
            self.write()

    def state(self) -> dict:
        """Return what `restore` needs but for the alarms, as JSON knows it.

        Returns
        -------
        dict
        """
        return {"bins": [list(entry) for entry in self.bins], "alarm_since": self.alarm_since}

    def restore(self, state: dict, alarms: Sequence[dict] = ()):
        """Take up what `state` returned, and the alarms of then.

        Parameters
        ----------
        state : dict
            Of another page.
        alarms : sequence of dict, default=()
            Its `alarms`.
        """
        self.bins = deque([list(entry) for entry in state["bins"]])
        self.alarm_since = state["alarm_since"]
        self.alarms.extend(alarms)

    def _verdict(self):
        if self.alarm_since is not None:
            return "bad", [f"Alarm since {_moment(self.alarm_since)}."]
        if not self.last:
            return "open", ["Nothing heard yet."]
        heard = f"The last window ended at {_moment(self.last['when'])}."
        if self.last["status"] != "ok":
            return "open", [f"The sound cannot be judged: {self.last['status']}.", heard]
        if self.last["state"] != "watching":
            return "open", [f"No alarm is raised: {self.last['state']}.", heard]
        return "good", ["No alarm.", heard]

    def _figures(self):
        n, n_anomalous, n_unscored = (sum(entry[i] for entry in self.bins) for i in (3, 4, 5))
        figures = {"windows": str(n), "of them anomalous": str(n_anomalous), "not judged": str(n_unscored)}
        if self.last.get("score") is not None:
            figures = {"last score": f"{self.last['score']:.4g}", **figures}
        if self.last.get("p_value") is not None:
            figures["p-value of the last"] = f"{self.last['p_value']:.2g}"
        return figures


def _moment(when):
    return datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M:%S")


def _facts(entry):
    facts = [] if entry["score"] is None else [f"Anomaly score {entry['score']:.4g}"]
    facts += [] if entry["p_value"] is None else [f"p-value {entry['p_value']:.2g}"]
    facts += [f"{entry['start']:.1f} to {entry['end']:.1f} s of the stream"]
    return ", ".join([*facts, *([entry["name"]] if entry["name"] else [])])
