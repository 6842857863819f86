"""A synthetic machine that runs continuously: data for streams, without any download."""

from collections.abc import Iterator
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from .._sklearn_compat import Interval, StrOptions, validate_params
from ._rotor import FAULTS
from ._running_rotor import RunningRotor

_CONSTRAINTS = {
    "seconds": [Interval(Real, 0, None, closed="neither")],
    "machine": [str],
    "sample_rate": [Interval(Integral, 1000, None, closed="left")],
    "block": [Interval(Real, 0, None, closed="neither")],
    "wander": [Interval(Real, 0, None, closed="left")],
    "fault": [StrOptions(set(FAULTS)), None],
    "severity": [Interval(Real, 0, None, closed="left")],
    "onset": [Interval(Real, 0, None, closed="left")],
    "growth": [Interval(Real, 0, None, closed="left")],
    "snr": [Interval(Real, None, None, closed="neither")],
    "random_state": ["random_state"],
}


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_machine_stream(
    seconds: float,
    *,
    machine: str = "gearbox",
    sample_rate: int = 16000,
    block: float = 10.0,
    wander: float = 1.0,
    fault: str | None = None,
    severity: float = 1.0,
    onset: float = 0.0,
    growth: float = 600.0,
    snr: float = 6.0,
    random_state: int | np.random.RandomState | None = None,
) -> Iterator[np.ndarray]:
    r"""Make the sound of a synthetic machine that runs continuously, with slowly varying load and speed.

    The machine is that of :func:`make_machine_sounds`; its sound continues from block to block.

    Parameters
    ----------
    seconds : float
        Length of the stream.
    machine : str, default="gearbox"
        Any name; the name alone fixes the machine's geometry.
    sample_rate : int, default=16000
        In Hz.
    block : float, default=10.0
        Seconds of sound per block.
    wander : float, default=1.0
        How much load and speed vary: with 1 by 10 percentage points and 1.5 % (standard deviations), in periods of 1 to
        15 minutes; with 0 they are constant.
    fault : {"bearing", "gear", "imbalance", "looseness"} or None, default=None
        The fault that begins at `onset`.
    severity : float, default=1.0
        Final severity of the fault; 1 is distinct.
    onset : float, default=0.0
        Second at which the fault begins.
    growth : float, default=600.0
        Seconds in which the fault grows from 0 to `severity`, where it stays.
    snr : float, default=6.0
        Level of the healthy machine over the background in dB.
    random_state : int, RandomState instance or None, default=None
        Seeds the sound. The healthy part is the same with and without a fault.

    Returns
    -------
    blocks : iterator of ndarrays of shape (n_samples,)
        float32, within [-1, 1].

    See Also
    --------
    make_machine_sounds : Single clips, with the formulas.

    Notes
    -----
    Load and speed are sums of four cosines each, whose periods are drawn log-uniformly from 60 to 900 s and whose
    phases uniformly, about a load of 65 % and the machine's own speed.

    Examples
    --------
    >>> from skasd.datasets import make_machine_stream
    >>> [len(block) for block in make_machine_stream(2.5, block=1.0, random_state=0)]
    [16000, 16000, 8000]
    """
    n_samples, n_block = round(seconds * sample_rate), max(1, round(block * sample_rate))
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    rotor = RunningRotor(machine, sample_rate, seed, wander=wander, snr=snr)

    def degree(t):
        return severity * np.clip((t - onset) / growth if growth else (t >= onset) * 1.0, 0, 1)

    def blocks():
        for first in range(0, n_samples, n_block):
            yield rotor.run(min(n_block, n_samples - first), fault, degree)

    return blocks()
