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
        Start and end of the window in seconds from the beginning of the stream; gaps count.
    score : float
        Anomaly score, higher is more anomalous; NaN if the window was not scored.
    p_value : float
        Share of healthy windows that score as high, in (0, 1]; NaN if the window was not scored or the detector keeps
        no scores of healthy clips.
    decision : int
        +1 normal, -1 anomalous, 0 not scored.
    alarm : bool
        Whether there is an alarm after this window.
    state : {"watching", "learning", "hold"}
        "watching": the window counts. "learning": it is taken as healthy. "hold": it does not count, because
        :meth:`StreamingDetector.hold` said so or because it could not be scored. An alarm continues in all states.
    status : {"ok", "not finite", "clipped"}
        Whether the samples can be judged: "not finite" with NaN, infinity or numbers beyond 2**31 among them, "clipped"
        if a share above `max_clipped` is cut off at full scale.
    evidence : float
        What the alarm is based on: the number of anomalous windows among the last ones, the capital of the martingale,
        or the moving average as a share of its limit.

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
        """Return the fields by name, in JSON types: None replaces numbers that are not finite.

        Returns
        -------
        dict
        """
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
