"""Explanations of scores by replacing parts of a clip."""

from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..clips import Clips
from ..compose import only_parameter, sample_rate_of, score_clips
from ._alignment import aligned
from ._explanation import Explanation
from ._fluctuation import steadied, unusual_fluctuation
from ._healthy import HealthyClips
from ._own_shares import own_shares
from ._search import COARSE, Shares
from ._segments import Levels, in_words, regions
from ._tiles import FINE_BANDS, Tiles, mel_band_edges
from ._usual_range import brought_back

_LEAST_SECONDS = 0.064  # of a fine tile
_FEWEST, _MOST = 8, 16  # coarse time steps
_STEP = 1.25  # s, of a coarse time step of longer clips
_NEAR = 8  # healthy clips whose range is the usual one
# part of the difference to the nearest healthy clip's score that unusual levels must explain: little, because any new
# clip scores above one that was learnt
_LEAST_OF_USUAL = 0.05
_MOST_SEGMENTS = 3
_LEAST_SHARE = 0.1
_BATCH_BYTES = 1 << 26  # of waveforms scored at a time
_SEGMENT_COLUMNS = ["start", "end", "low", "high", "db", "share"]


class Explainer:
    """Explains scores of one detector against the same healthy clips.

    Parameters
    ----------
    detector : estimator
        A fitted detector that takes waveforms.

    healthy : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        Healthy clips, such as those it was fitted on.

    sample_rate : int, default=None
        In Hz; must equal that of the detector, which is used if None.

    max_healthy : int, default=200
        Maximum number of healthy clips that are used, evenly drawn.

    See Also
    --------
    explain : The same for one clip, with a description of the method.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    >>> from skasd.explain import Explainer
    >>> healthy = np.random.default_rng(0).normal(scale=0.1, size=(20, 32000))
    >>> detector = make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()).fit(healthy)
    >>> explainer = Explainer(detector, healthy)
    >>> explainer.explain(healthy[3]).sentence
    'the clip is the healthy clip itself'
    """

    def __init__(
        self, detector: Any, healthy: Any, *, sample_rate: int | None = None, max_healthy: int = 200
    ):
        check_is_fitted(detector)
        if not isinstance(max_healthy, Integral) or max_healthy < 1:
            raise ValueError(f"max_healthy must be an integer of at least 1, got {max_healthy!r}.")
        channel = only_parameter(detector, "channel")
        self.detector: Any = detector
        self.sample_rate: int = sample_rate_of(detector, sample_rate)
        self._reading: dict[str, Any] = {
            "sample_rate": self.sample_rate,
            "channel": "mean" if channel is None else channel,
        }
        self._healthy: HealthyClips = HealthyClips(detector, healthy, most=max_healthy, **self._reading)

    def explain(
        self, clip: Any, *, span: tuple[float, float | None] | None = None, section: Any = None
    ) -> Explanation:
        """Explain the score of a clip.

        Parameters
        ----------
        clip : ndarray of shape (n_samples,) or path-like
            The clip.
        span : (float, float or None), default=None
            Part of the clip to look at, in s, (3, None) from 3 s on; None: all of it. The score is that of the whole
            clip.
        section : hashable, default=None
            The section of the clip, if the detector was fitted with sections.

        Returns
        -------
        Explanation
        """
        rate = self.sample_rate
        waveform: Any
        (waveform,) = Clips([clip], **self._reading)
        samples = _time_edges(len(waveform), rate, span)
        place, near = self._healthy.nearest(waveform, _NEAR)
        healthy = aligned(near[0], waveform, rate)
        frequencies = mel_band_edges(rate)
        known = {
            "frequencies": frequencies,
            "times": samples / rate,
            "nearest_": self._healthy.name(place),
            "clip": waveform,
            "healthy": healthy,
            "sample_rate": rate,
        }

        def score(waveforms):
            return self._score(waveforms, len(waveform), section)

        if np.abs(healthy - waveform).max() <= 1e-6 * np.abs(waveform).max():
            (own,) = score([waveform])
            known |= {"reference": healthy, "reference_score": float(own)}
            return _empty(self.detector, "the clip is the healthy clip itself", own, own, 1, known)
        usual = Tiles(waveform, brought_back(waveform, near, rate), rate, frequencies, samples)
        tiles = Tiles(waveform, healthy, rate, frequencies, samples)
        own, of_healthy, replaced = score([waveform, tiles.all_replaced, usual.all_replaced])
        than = "the healthy clips"
        if own - replaced > max(_LEAST_OF_USUAL * (own - of_healthy), 0):
            tiles = usual
        else:
            than, replaced = "the healthy clip", of_healthy
        known |= {"reference": tiles.all_replaced, "reference_score": float(replaced)}
        levels = Levels(waveform, tiles.all_replaced, rate)
        shares = Shares(score, tiles, (own, replaced), levels.differences(frequencies, samples / rate))
        if not shares.map.any():
            said = "nothing in the clip scores higher than in the healthy clip"
            return _empty(self.detector, said, own, of_healthy, 3 + shares.n_asked, known)
        segments = _segments(shares, tiles, levels, rate)
        bands = shares.map.sum(axis=1).reshape(-1, COARSE[0]).sum(axis=1)
        share = max(segments["share"].iloc[0], 0)
        fluctuation = unusual_fluctuation(waveform, near, rate) if own > of_healthy else None
        raised_by_it = ""
        if fluctuation is not None:
            (steady,) = score([steadied(waveform, fluctuation.frequency, rate)])
            if own - steady >= max(share, _LEAST_SHARE) * (own - replaced):
                raised_by_it = fluctuation.in_words()
        strongest = in_words(segments.iloc[0], len(waveform) / rate, rate / 2, than)
        return Explanation(
            score=float(own),
            healthy_score=float(of_healthy),
            map=shares.map,
            bands_=_bands(waveform, self.detector, frequencies[:: COARSE[0]], bands),
            segments_=segments,
            sentence=_sentence(strongest, share, raised_by_it, own > of_healthy),
            n_scored=3 + shares.n_asked + (fluctuation is not None),
            **known,
        )

    def _score(self, waveforms, n_samples, section):
        """Return the anomaly scores of waveforms of one length, computed in batches."""
        waveforms = iter(waveforms)
        size = max(1, _BATCH_BYTES // (4 * n_samples))
        scores = [np.zeros(0)]
        while batch := list(islice(waveforms, size)):
            known = {} if section is None else {"section": [section] * len(batch)}
            scores.append(score_clips(self.detector, np.array(batch, dtype=np.float32), known)[0])
            if np.isnan(scores[-1]).any():
                raise ValueError("The detector has no score for this clip, so there is nothing to explain.")
        return np.concatenate(scores)


def explain(
    detector: Any,
    clip: Any,
    *,
    healthy: Any,
    span: tuple[float, float | None] | None = None,
    section: Any = None,
    sample_rate: int | None = None,
    max_healthy: int = 200,
) -> Explanation:
    """Find where in time and frequency a clip differs from healthy ones, as the detector hears it.

    Time-frequency tiles of the clip are exchanged with those of the same sound whose levels outside the range of
    healthy clips are brought back into it, and the detector scores the results.

    Parameters
    ----------
    detector : estimator
        Any fitted detector that takes waveforms; only its scores are used.
    clip : ndarray of shape (n_samples,) or path-like
        The clip to explain. Arrays are taken to be at the detector's sample rate.
    healthy : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        Healthy clips, such as those the detector was fitted on (it does not keep them).
    span : (float, float or None), default=None
        Part of a long clip to look at, in s, (3, None) from 3 s on; None: all of it.
    section : hashable, default=None
        The section of the clip, if the detector was fitted with sections.
    sample_rate : int, default=None
        In Hz; must equal that of the detector, which is used if None.
    max_healthy : int, default=200
        Maximum number of healthy clips that are used, evenly drawn.

    Returns
    -------
    Explanation

    Raises
    ------
    skasd.clips.ClipError
        If a clip cannot be used, such as one with NaN samples.
    ValueError
        If the clip is shorter than two tiles of 64 ms, if `span` lies outside of it, or if there is no healthy clip.

    See Also
    --------
    Explainer : For several clips.
    skasd.plotting.anomaly_map : The map that some detectors provide themselves.

    Notes
    -----
    *What is usual.* The 8 nearest healthy clips are used: those with the smallest sum of absolute differences in the
    rows that the last step of the detector gets, each number in units of its standard deviation over the healthy clips;
    for detectors without such rows, in means and standard deviations of log-mels. Levels of the clip (means of 0.256 s
    at each frequency) outside the range of these clips are brought back to the median, in the clip's own short-time
    Fourier transform. In a comparison with a single healthy clip, any difference between two healthy recordings would
    count. If correcting the levels removes less than a twentieth of what the clip scores above the nearest healthy
    clip, as with faults that do not show in levels, the nearest clip is used instead: aligned with the clip where the
    levels of both are most similar (a mean correlation that is larger by 0.1 than without a shift), repeated if it is
    shorter.

    *Exchanging.* The difference between both sounds is filtered to the band of a tile, faded in and out (32 ms) at its
    times, and added to the clip. Filters and windows of neighbours sum to one: with nothing replaced the result is the
    clip, with all replaced the other sound, and a tile is the sum of its parts.

    *Shares.* The mean of two numbers: how much the clip's score falls when the tile is replaced, and how much that of
    the other sound rises when the tile is put into it. This is the Shapley value [1]_ of the tile in a game of two
    players, the tile and the rest. The fall alone misleads: mixing bands of two recordings is itself anomalous to
    detectors that hear how bands go together. In the second number this enters with the opposite sign.

    *Where to look.* Tiles in which both sounds are the same have no share. First 8 bands of equal width in mel, over
    all times; then at most 12 of the 64 to 128 tiles of these bands and 8 to 16 stretches of time, the first in what
    the band's share and the difference in level let expect (at least 0.3 of the largest); then quarters of the
    strongest tile's band and halves of its stretch: up to 61 questions, in three rounds, most often 40 to 55. What was
    not asked, or says less than a quarter of what it should, as half a tone that fluctuates by being cut, is divided
    in proportion to the difference in level (mean magnitude, in dB).

    *Segments.* Contiguous tiles of at least 0.3 of the largest share; their edges are those of the level difference
    between both sounds, where it is half as large (in dB) as at its peak, if that is 3 dB or more. Each is then asked
    for by itself, which gives its share.

    *Fluctuations.* A level that rises and falls many times a second lies in no region. The magnitudes of 8 mel bands
    (windows of 8 ms), relative to their means, are transformed over time; of 2 to 100 Hz the frequency is taken at
    which the mean amplitude over bands exceeds those of all 8 healthy clips within a third of an octave by most, if
    by 3 dB. The clip is then divided by what all bands have in common of that frequency and its multiples, and scored
    again. It is said if that takes off a tenth of what the clip scores above the other sound, and more than the
    strongest segment.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games 2, 1953.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    >>> from skasd.explain import explain
    >>> random = np.random.default_rng(0)
    >>> healthy, clip = random.normal(scale=0.1, size=(20, 32000)), random.normal(scale=0.1, size=32000)
    >>> clip[16000:] += 0.1 * np.sin(2 * np.pi * 3000 / 16000 * np.arange(16000))
    >>> detector = make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()).fit(healthy)
    >>> explain(detector, clip, healthy=healthy).sentence
    '2.99-3.02 kHz, from 1.0 s on, 20 dB above the healthy clips'
    """
    explainer = Explainer(detector, healthy, sample_rate=sample_rate, max_healthy=max_healthy)
    return explainer.explain(clip, span=span, section=section)


def _time_edges(n_samples, rate, span):
    """Return the edges of the fine time steps in samples."""
    seconds = n_samples / rate
    try:
        first, last = (0.0, None) if span is None else span
        first, last = float(first), seconds if last is None else float(last)
    except (TypeError, ValueError):
        raise ValueError(f"span={span!r} must be (start, end) in s; the end may be None.") from None
    if not 0 <= first < last <= seconds + 1e-9:
        raise ValueError(f"span={span!r} does not lie within the clip, which lasts {seconds:g} s.")
    n = int(np.clip((last - first) / _STEP, _FEWEST, _MOST)) * COARSE[1]
    n = min(n, int((last - first) / _LEAST_SECONDS + 1e-9))
    if n < COARSE[1]:
        raise ValueError(
            f"{last - first:.3g} s are too short to be divided: at least {COARSE[1] * _LEAST_SECONDS:g} s are needed."
        )
    return np.linspace(first * rate, min(last * rate, n_samples), n + 1).round().astype(int)


def _sentence(strongest, share, fluctuation, is_higher):
    """Return the explanation in words, from those of the strongest segment, its share, and a fluctuation ("": none)."""
    if not is_higher:
        return f"the clip scores no higher than the healthy clip; what raises its score most: {strongest}"
    if fluctuation:
        return f"{fluctuation}; {strongest}" if share >= _LEAST_SHARE else fluctuation
    if share < _LEAST_SHARE:
        return f"no region stands out; the strongest, {share:.0%} of the difference: {strongest}"
    return strongest


def _inside(edges, other):
    """Tell whether the middle of a rectangle lies in another."""
    low, high, start, end = edges
    return other[0] <= (low + high) / 2 <= other[1] and other[2] <= (start + end) / 2 <= other[3]


def _segments(shares, tiles, levels, rate):
    """Return the table of the strongest segments, the score of each without it and with it alone being asked."""
    frequencies, times = tiles.frequencies, tiles.samples / rate
    found = [
        levels.edges(*frequencies[list(region.bands)], *times[list(region.times)])
        for region in regions(shares.map, _MOST_SEGMENTS)
    ]
    # several regions may lead to the same segment
    found = [
        edges
        for place, edges in enumerate(found)
        if not any(_inside(edges, other) for other in found[:place])
    ]
    own = shares.of([tiles.covering(*edges[:2], *(rate * edge for edge in edges[2:])) for edges in found])
    rows = [
        (start, end, low, high, levels.db(low, high, start, end), share / shares.whole)
        for (low, high, start, end), share in zip(found, own, strict=True)
    ]
    table = pd.DataFrame(rows, columns=_SEGMENT_COLUMNS, dtype=float)
    table = table.sort_values("share", ascending=False, kind="stable", ignore_index=True)
    return table[(table["share"] >= _LEAST_SHARE) | (table.index == 0)]


def _bands(waveform, detector, edges, shares):
    own = own_shares(detector, waveform, edges)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "share": shares, "own": own})


def _empty(detector, sentence, score, healthy_score, n_scored, known):
    """Return an explanation without shares and segments."""
    frequencies, times = known["frequencies"], known["times"]
    return Explanation(
        score=float(score),
        healthy_score=float(healthy_score),
        map=np.zeros((len(frequencies) - 1, len(times) - 1)),
        bands_=_bands(known["clip"], detector, frequencies[:: COARSE[0]], np.zeros(FINE_BANDS // COARSE[0])),
        segments_=pd.DataFrame(columns=_SEGMENT_COLUMNS, dtype=float),
        sentence=sentence,
        n_scored=n_scored,
        **known,
    )
