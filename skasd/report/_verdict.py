"""Verdict on a machine from its scores, in a sentence."""

import numpy as np
import pandas as pd
from scipy.special import xlog1py
from scipy.stats import binom, mannwhitneyu

_USUAL_RATE = 0.1  # of false alarms if it is not known: the default of the library
_CHANCE = 0.01  # probability below which a number of alarms is not taken for chance

_MOST_STARTS = 2000  # of runs that are tried
_RAISED = 0.7  # probability that a clip scores higher than a training clip, above which the verdict says so

USUAL_CAUSES = (
    "another microphone, place or gain, another sample rate or codec, another load or speed of the machine"
)
"""Usual reasons, besides the machine, why most recordings of a batch are anomalous."""

_MOST_DIFFER = (
    "More than half of the recordings are anomalous: unless the machine is broken, they differ as a whole from those "
    f"learnt from. Rule out first what usually causes that: {USUAL_CAUSES}."
)


def alarm_run(alarms, rate):
    """Return where alarms are denser than by chance: the scan statistic for a known rate [1]_.

    Of all spans of clips that begin and end with an alarm it is the one with the largest logarithm of the likelihood
    ratio between its own rate of alarms and the expected one, if that exceeds ``log(n^2 / 0.02)``, which happens in at
    most one of a hundred healthy series.

    Parameters
    ----------
    alarms : array-like of bool of shape (n_clips,)
        In the order of recording.
    rate : float
        Rate of alarms expected of a healthy machine.

    Returns
    -------
    run : (int, int) or None
        Positions of its first and last clip; it extends to the last clip of the series, unless so few alarms follow
        that it has ended. None if there is no such span.

    References
    ----------
    .. [1] M. Kulldorff, "A spatial scan statistic", Communications in Statistics - Theory and Methods 26, 1997.

    Examples
    --------
    >>> alarm_run([False] * 30 + [True] * 8, 0.1)
    (30, 37)
    >>> alarm_run([False, True] + [False] * 30, 0.1) is None
    True
    """
    alarms = np.asarray(alarms, dtype=bool)
    n, rate = len(alarms), float(np.clip(rate, 0.001, 0.4))
    places = np.flatnonzero(alarms)
    places = places[:: max(1, len(places) // _MOST_STARTS)]
    up_to = np.concatenate([[0], np.cumsum(alarms)])
    most, run = np.log(n**2 / 2 / _CHANCE) if n else 0.0, None
    for number, begin in enumerate(places):
        ends = places[number:]
        length, count = ends + 1 - begin, up_to[ends + 1] - up_to[begin]
        own = count / length
        gain = count * np.log(own / rate) + xlog1py(length - count, -own) - xlog1py(length - count, -rate)
        gain[own <= rate] = 0
        if gain.max() > most:
            most, run = gain.max(), (int(begin), int(ends[gain.argmax()]))
    if run is None:
        return None
    begin, end = run
    own = (up_to[end + 1] - up_to[begin]) / (end + 2 - begin)  # below 1: one normal clip does not end a run
    left, after = n - end - 1, int(up_to[n] - up_to[end + 1])
    has_ended = binom.cdf(after, left, own) < _CHANCE
    return begin, end if has_ended else n - 1


class Verdict:
    """Verdict on one machine.

    Parameters
    ----------
    machine : str
        Its name; "machine" if it has none.
    clips : DataFrame
        Its clips, from `in_order`.
    rate : float or None
        Share of anomalous clips expected of a healthy machine; None: not known.
    training : ndarray of shape (n_training_clips,) or None
        Held-out scores of its training clips.
    is_known : bool
        False if the true rate may be higher than `rate`.

    Attributes
    ----------
    kind : {"good", "bad", "open"}
    sentences : list of str
    run : (int, int) or None
        The run of alarms, by position among the clips with a score.
    """

    def __init__(self, machine, clips, rate, training=None, is_known=True):
        name = "The machine" if machine == "machine" else machine
        scored = clips[clips["anomaly_score"].notna()]
        n = len(scored)
        self.kind, self.run = "open", None
        if n == 0:
            self.sentences = [f"{name}: none of {_count(len(clips))} could be scored."]
            return
        if (scored["decision"] == "").any():
            self.sentences = [
                f"{name}: {_count(n)} scored; without a threshold none is called normal or anomalous."
            ]
            return
        alarms = (scored["decision"] == "anomalous").to_numpy()
        k = int(alarms.sum())
        usual = _USUAL_RATE if rate is None else rate
        self.run = alarm_run(alarms, usual)
        since = ""
        if self.run is not None or binom.sf(k - 1, n, usual) < _CHANCE:
            self.kind, news = "bad", "does not sound as it did in training"
            since = _since(scored, self.run, alarms)
        elif k > n / 2:
            news = "cannot be judged yet, as so few recordings may be anomalous by chance"
        elif training is not None and _raised(scored["anomaly_score"].to_numpy(), training):
            news = (
                "sounds a little different from training, as its scores lie higher, though few make an alarm"
            )
        else:
            self.kind, news = "good", "sounds as it did in training"
        expected = (
            "the rate expected of healthy sound is in the model, which was not given"
            if rate is None
            else f"{_percent(rate)}{'' if is_known else ' or more'} expected of healthy sound"
        )
        are = "is" if k == 1 else "are"
        self.sentences = [
            f"{name} {news}: {k} of {_count(n)} {are} called anomalous ({_percent(k / n)}, {expected}){since}."
        ]
        if k > n / 2:
            self.sentences.append(_MOST_DIFFER)
        n_remarks = int((clips["remark"] != "").sum()) if "remark" in clips else 0
        if n_remarks:
            carry = "carries" if n_remarks == 1 else "carry"
            self.sentences.append(
                f"{_count(n_remarks)} {carry} a remark that may explain the score; see the table of all recordings."
            )


def _raised(scores, training):
    """Tell whether scores are higher as a whole than held-out scores of training clips."""
    training = training[~np.isnan(training)]
    test = mannwhitneyu(scores, training, alternative="greater")
    return test.pvalue < _CHANCE and test.statistic / (len(scores) * len(training)) > _RAISED


def _since(scored, run, alarms):
    """Return since when the alarms run, as the end of a sentence."""
    n = len(scored)
    if run is None:
        return "; the alarms are scattered over all of them" if alarms.sum() < n else ""
    begin, end = run
    if end == n - 1:
        if begin == 0:
            return ", from the first recording on"
        return f"; the alarms run since {_moment(scored, begin)}"
    return f"; the alarms ran from {_moment(scored, begin)} to {_moment(scored, end)} and have ceased since"


def _moment(scored, place):
    row = scored.iloc[place]
    if pd.notna(row["when"]):
        return moment(row["when"])
    return f"recording {place + 1} of {len(scored)} in the order of the table ({row['name']})"


def moment(when):
    """Return a time as text, without seconds if they are zero, and as a date alone at midnight."""
    time = " %H:%M:%S" if when.second else " %H:%M" if when.hour or when.minute else ""
    return when.strftime(f"%Y-%m-%d{time}")


def _count(n):
    return "1 recording" if n == 1 else f"{n} recordings"


def _percent(share):
    """Return a share in percent with two significant digits, 100 % in full."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.2g} %"
