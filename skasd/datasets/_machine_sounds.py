"""Synthetic machine sounds: data for demonstrations and tests, without any download."""

import csv
from collections.abc import Sequence
from itertools import groupby, product
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state

from .._sklearn_compat import Interval, validate_params
from .._typing import PathName
from ._dcase import as_table
from ._names import parse_attributes
from ._rotor import FAULTS, Rotor

_DESCR = """\
Synthetic machine sounds
------------------------
These clips were computed, not recorded: a shaft, a gear pair and a rolling bearing under two or three speeds
and loads in the noise of a factory. They show how a detector is used and tested. A result on them says
nothing about how well a detector works on real machines.
"""
_DOMAINS = ("source", "target")
# A role's place in this order is part of its clips' seeds.
_ROLES = tuple(product(("train", "test"), (1, -1), _DOMAINS))

_CONSTRAINTS = {
    "n_train": [Interval(Integral, 0, None, closed="left")],
    "n_test": [Interval(Integral, 0, None, closed="left")],
    "machine": [str, list, tuple],
    "n_sections": [Interval(Integral, 1, 100, closed="both")],
    "duration": [Interval(Real, 0, None, closed="neither")],
    "sample_rate": [Interval(Integral, 1000, None, closed="left")],
    "domains": [str, list, tuple],
    "n_target_train": [Interval(Integral, 0, None, closed="left"), None],
    "anomaly_fraction": [Interval(Real, 0, 1, closed="both")],
    "fault": [str, list, tuple],
    "severity": [Interval(Real, 0, None, closed="left"), list, tuple, np.ndarray],
    "snr": [Interval(Real, None, None, closed="neither")],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


class _Clip(NamedTuple):
    machine: str
    section: int
    split: str
    y: int
    domain: str
    number: int  # within its role


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_machine_sounds(
    n_train: int = 200,
    n_test: int = 100,
    *,
    machine: str | Sequence[str] = "gearbox",
    n_sections: int = 1,
    duration: float = 2.0,
    sample_rate: int = 16000,
    domains: Sequence[str] = _DOMAINS,
    n_target_train: int | None = None,
    anomaly_fraction: float = 0.5,
    fault: Any = FAULTS,
    severity: float | Sequence[float] = 0.5,
    snr: float = 6.0,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Any:
    r"""Make sounds of a synthetic rotating machine, healthy and faulty.

    **The sounds are synthetic.** A simple physical model of a gearbox (see Notes) replaces recordings. The data are
    arranged as in the DCASE Challenge: healthy training clips of a source domain and a few of a target domain, and
    healthy and faulty test clips of both.

    Parameters
    ----------
    n_train : int, default=200
        Number of training clips of each section, all healthy.
    n_test : int, default=100
        Number of test clips of each section.
    machine : str or list of str, default="gearbox"
        Machine type(s). Any name is accepted. The name and the section number alone fix the machine's geometry (speed,
        teeth, bearing, resonances, harmonics). `random_state` does not affect the geometry, so that other seeds give
        more clips of the same machine.
    n_sections : int, default=1
        Number of sections (units of the machine that differ in geometry), from "00".
    duration : float, default=2.0
        Length of a clip in seconds.
    sample_rate : int, default=16000
        In Hz.
    domains : tuple of str, default=("source", "target")
        Domains to include. The source runs at two speeds and loads of 50 and 75 %; the target runs 5 % slower than the
        slower of these, at loads of 80 and 90 %, in a background that is 1 dB louder and has another spectrum.
    n_target_train : int, default=None
        How many of the `n_train` clips are from the target domain; ``None``: one in twenty, at least one.
    anomaly_fraction : float, default=0.5
        Share of anomalous clips in the test clips, the same in both domains. With 0, all are healthy:
        held-out clips for counting false alarms.
    fault : str or sequence of str, default=("bearing", "gear", "imbalance", "looseness")
        One or several of these four, used in turn for the anomalous clips.
    severity : float or sequence of float, default=0.5
        Severity of the faults; several are used in turn. 0 is healthy, 1 is distinct.
    snr : float, default=6.0
        Level of the healthy machine over the background in dB, in the source domain; varies by 1 dB from clip
        to clip.
    random_state : int, RandomState instance or None, default=None
        Seeds the clips. Every clip has its own generator, derived from the seed and from the clip's machine, section,
        split, label, domain and number. A clip is therefore the same for any number of clips and any `n_jobs`.
    n_jobs : int, default=None
        Number of threads.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - ``X`` : float32 array of shape (n_clips, n_samples), within [-1, 1];
        - ``y`` : int array of shape (n_clips,), +1 normal, -1 anomalous;
        - ``table`` : DataFrame with a row per clip and the columns ``machine``, ``section``, ``domain``,
          ``split``, ``set``, ``y``, ``attribute``, ``attributes`` of :func:`load_dcase`, and ``fault`` (""
          for healthy clips) and ``severity``;
        - ``sample_rate`` : int;
        - ``DESCR`` : str.

    See Also
    --------
    write_machine_sounds : The same as files in the challenge's layout.
    load_dcase : The challenge's own data sets.

    Notes
    -----
    With the shaft's angle :math:`\varphi(t) = 2\pi\int f_r` (the speed :math:`f_r` differs by 0.4 % from
    clip to clip and wanders by 0.1 % within one) a healthy machine sounds as

    .. math:: x = \sum_{k=1}^{8} a_k \cos(k\varphi+\alpha_k)
              + (0.4 + 0.8 L)\,(1 + m\cos\varphi) \sum_{k=1}^{3} g_k \cos(k (Z\varphi + p\cos\varphi)
              + \gamma_k) + c_L (1 + 0.1\cos\varphi)\, n_f + n_b

    with the load L, Z teeth, whose meshing is modulated in amplitude (m) and phase (p) once a revolution and so has
    sidebands at multiples of :math:`f_r` [1]_, friction noise :math:`n_f` shaped by three resonances, and a background
    :math:`n_b` of coloured noise with an occasional distant knock. Levels drift by a few per cent.

    - Bearing: the rolling elements pass a defect of the outer race
      :math:`\frac{n}{2}(1-\frac{d}{D}\cos\beta)` times a revolution [2]_; their slip lets the intervals
      jitter by 1.5 %, accumulating [3]_. Each passage strikes a resonance,
      :math:`e^{-\zeta\omega t}\sin\omega t`.
    - Gear: one damaged tooth raises mesh and friction while it is in contact, once a revolution.
    - Imbalance: the first order of the shaft (and a fifth as much the second) grows with severity and the
      square of the speed, and modulates the friction.
    - Looseness: half orders of the shaft with fluctuating level, and a rattle once a revolution.

    Not modelled: rooms, varying transmission paths, run-in, wear, and non-stationary operation. The size of each fault
    is chosen, not derived, so that the defaults are neither trivial nor hopeless for a Mahalanobis detector on the mean
    and standard deviation of log-mel energies.

    References
    ----------
    .. [1] R. B. Randall, "A new method of modeling gear faults", Journal of Mechanical Design, 104(2),
       259-267, 1982.
    .. [2] P. D. McFadden and J. D. Smith, "Model for the vibration produced by a single point defect in a
       rolling element bearing", Journal of Sound and Vibration, 96(1), 69-82, 1984.
    .. [3] J. Antoni and R. B. Randall, "A stochastic model for simulation and diagnostics of rolling element
       bearings with localized faults", Journal of Vibration and Acoustics, 125(3), 282-289, 2003.

    Examples
    --------
    >>> from skasd.datasets import make_machine_sounds
    >>> data = make_machine_sounds(n_train=20, n_test=8, duration=0.5, random_state=0)
    >>> data.X.shape
    (28, 8000)
    >>> train = (data.table.split == "train").to_numpy()
    >>> data.X[train].shape, data.table[train].domain.value_counts().to_dict()
    ((20, 8000), {'source': 19, 'target': 1})
    """
    faults, severities, machines, domains = _check(fault, severity, machine, domains)
    n_samples = round(duration * sample_rate)
    if n_samples < 16:
        raise ValueError(
            f"duration={duration!r} at sample_rate={sample_rate} gives {n_samples} samples; need 16 or more"
        )
    if n_train + n_test == 0:
        raise ValueError("n_train=0 and n_test=0 make no clips: one of them must be 1 or more")
    counts = _counts(n_train, n_test, domains, n_target_train, anomaly_fraction)
    entropy = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    clips = [
        _Clip(name, section, *role, number)
        for name, section, role in product(machines, range(n_sections), _ROLES)
        for number in range(counts[role])
    ]
    X = np.empty((len(clips), n_samples), dtype=np.float32)
    rotors = {key: Rotor(*key, sample_rate, n_samples) for key in {clip[:2] for clip in clips}}

    def make(i):
        clip = clips[i]
        rotor = rotors[clip[:2]]
        role = _ROLES.index((clip.split, clip.y, clip.domain))
        seed = np.random.SeedSequence(entropy, spawn_key=(*rotor.spawn_key, role, clip.number))
        kind, degree = "", 0.0
        if clip.y == -1:
            kind = faults[clip.number % len(faults)]
            degree = severities[clip.number // len(faults) % len(severities)]
        X[i], conditions = rotor.sound(seed, clip.domain, snr, kind, degree)
        return {
            "machine": clip.machine,
            "section": f"{clip.section:02d}",
            "domain": clip.domain,
            "split": clip.split,
            "set": "dev",
            "y": clip.y,
            "attribute": conditions.attribute,
            "attributes": parse_attributes(conditions.attribute),
            "fault": kind,
            "severity": degree,
        }

    rows = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")(
        delayed(make)(i) for i in range(len(clips))
    )
    table = as_table(rows)
    return Bunch(X=X, y=table.y.to_numpy(dtype=np.int64), table=table, sample_rate=sample_rate, DESCR=_DESCR)


def write_machine_sounds(
    folder: str | PathName, n_train: int = 200, n_test: int = 100, **parameters
) -> pd.DataFrame:
    """Write synthetic machine sounds as wav files in the layout of the challenge (2022 and later).

    Parameters
    ----------
    folder : str or path-like
        Folder for ``dev_data/<machine>/{train,test}/`` and ``attributes_NN.csv``; created if necessary. Files of the
        same name are overwritten.
    n_train : int, default=200
        As in :func:`make_machine_sounds`.
    n_test : int, default=100
        As in :func:`make_machine_sounds`.
    **parameters
        Further parameters of :func:`make_machine_sounds`.

    Returns
    -------
    table : pandas.DataFrame
        The table of :func:`make_machine_sounds` with a column ``path``. :func:`load_dcase` returns the same clips,
        without ``fault`` and ``severity``, which the challenge does not publish.

    Examples
    --------
    >>> import tempfile
    >>> from skasd.datasets import load_dcase, write_machine_sounds
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = write_machine_sounds(folder, n_train=3, n_test=4, duration=0.1, random_state=0)
    ...     len(load_dcase(folder)) == len(table) == 7
    True
    """
    data = make_machine_sounds(n_train, n_test, **parameters)
    table = data.table.copy()
    numbers = table.groupby(["machine", "section", "split", "y", "domain"]).cumcount()
    paths = []
    for i, row in enumerate(table.itertuples()):
        label = "normal" if row.y == 1 else "anomaly"
        name = f"section_{row.section}_{row.domain}_{row.split}_{label}_{numbers.iloc[i]:04d}_{row.attribute}"
        path = Path(folder, "dev_data", row.machine, row.split, f"{name}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, data.X[i], data.sample_rate, subtype="PCM_16")
        paths.append(path)
    table.insert(0, "path", [str(path) for path in paths])
    by_section = zip(paths, table.section, table.attributes, strict=True)
    for (machine_folder, section), clips in groupby(
        by_section, key=lambda clip: (clip[0].parents[1], clip[1])
    ):
        with (machine_folder / f"attributes_{section}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for j, (path, _, attributes) in enumerate(clips):
                if j == 0:
                    numbered = [(f"d{k}p", f"d{k}v") for k in range(1, len(attributes) + 1)]
                    writer.writerow(["file_name", *(name for pair in numbered for name in pair)])
                pairs = (cell for pair in attributes.items() for cell in pair)
                writer.writerow([path.relative_to(machine_folder.parent).as_posix(), *pairs])
    return table


def _check(fault, severity, machine, domains):
    """Turn arguments that may be one or several into lists; raise for invalid ones."""
    faults = [fault] if isinstance(fault, str) else list(fault)
    if not faults or not set(faults) <= set(FAULTS):
        raise ValueError(f"fault={fault!r} is not one of, or a sequence of, {', '.join(FAULTS)}")
    severities = np.atleast_1d(np.asarray(severity, dtype=float))
    if severities.ndim != 1 or not len(severities) or not (np.isfinite(severities) & (severities >= 0)).all():
        raise ValueError(f"severity={severity!r} is not a non-negative number or a sequence of such")
    machines = [machine] if isinstance(machine, str) else list(machine)
    if (
        not machines
        or len(set(machines)) != len(machines)
        or not all(isinstance(name, str) and name for name in machines)
    ):
        raise ValueError(f"machine={machine!r} is not a name or a sequence of different names")
    names = [domains] if isinstance(domains, str) else list(domains)
    if not names or len(set(names)) != len(names) or not set(names) <= set(_DOMAINS):
        raise ValueError(f"domains={domains!r} is not a non-empty selection of {_DOMAINS}")
    return faults, severities.tolist(), machines, names


def _counts(n_train, n_test, domains, n_target_train, anomaly_fraction):
    """Return how many clips of each role (split, y, domain) a section gets."""
    if "target" not in domains:
        n_target = 0
        if n_target_train:
            raise ValueError(f"n_target_train={n_target_train} but domains={domains!r} has no target")
    elif "source" not in domains:
        n_target = n_train
    elif n_target_train is None:
        n_target = min(n_train, max(1, round(n_train / 20)))
    else:
        n_target = n_target_train
        if n_target > n_train:
            raise ValueError(f"n_target_train={n_target_train} is more than n_train={n_train}")
    counts = dict.fromkeys(_ROLES, 0)
    counts["train", 1, "target"] = n_target
    counts["train", 1, "source"] = n_train - n_target
    n_anomalous = round(anomaly_fraction * n_test)
    for y, n in ((1, n_test - n_anomalous), (-1, n_anomalous)):
        for j, domain in enumerate(domains):
            counts["test", y, domain] = n // len(domains) + (j < n % len(domains))
    return counts
