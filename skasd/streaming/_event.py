"""One judged window of a stream."""

import math
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Event:
    """One window of a stream, as :class:`StreamingDetector` judged it.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the stream to that and to the end of the window; gaps count.
    score : float
        Anomaly score, higher is more anomalous; NaN where the window was not scored.
    p_value : float
        Share of healthy windows that score as high, in (0, 1]; NaN where the window was not scored or the detector
        keeps no scores of healthy clips.
    decision : int
        +1 normal, -1 anomalous, 0 not scored.
    alarm : bool
        Whether an alarm stands after this window.
    state : {"watching", "learning", "hold"}
        "watching": the window counts. "learning": it is taken as healthy. "hold": it does not count, because
        :meth:`StreamingDetector.hold` said so or because it could not be scored. An alarm that stands goes on
        standing in all states.
    status : {"ok", "not finite", "clipped"}
        Whether the samples can be judged: "not finite" with NaN, infinity or numbers beyond 2**31 among them, "clipped"
        where more of them than `max_clipped` are cut off at full scale.
    evidence : float
        What the alarm rests on: of the last windows the number that were anomalous, the capital of the martingale, or
        the moving average as a share of its limit.

    Examples
    --------
    >>> from skasd.streaming import Event
    >>> Event(0.0, 10.0, 3.2, 0.04, -1, False, "watching", "ok", 1.0).to_dict()["decision"]
    -1
    """

    start: float
    end: float
    score: float
    p_value: float
    decision: int
    alarm: bool
    state: Literal["watching", "learning", "hold"]
    status: Literal["ok", "not finite", "clipped"]
    evidence: float

    def to_dict(self) -> dict:
        """Return the fields by name, as JSON knows them: None in place of numbers that are not finite.

        Returns
        -------
        dict
        """
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
