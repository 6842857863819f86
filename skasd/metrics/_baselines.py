"""Published figures of baseline systems."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ._official import check_year

_COLUMNS = ["data", "system", "machine", "domain", "metric", "value", "source"]

_ASDKIT = "challenge baseline as drawn in ASDKit's comparison, arXiv:2507.10264, figure 2"
_RERUN = "ASDKit, mean of four seeds, arXiv:2507.10264, figure 2"
_EVALUATOR = "README of the challenge's evaluator, {year}"
_SECOM = (
    "K. Morita et al., DCASE2021 Challenge technical report, tables 3 to 6 (harmonic means over sections)"
)
_JLESS = "J. Bai et al., DCASE2022 Challenge technical report, table 2 (harmonic means over sections)"
_SCU_CQUPT = "J. Hai et al., DCASE2024, table 1; Y. Zeng et al., DCASE2023, tables 4 to 6 (technical reports)"
_MEANS = "harmonic means over machines, published with later systems' results"
_AE, _MAHALANOBIS, _ASDKIT_AE = "autoencoder, MSE", "autoencoder, Mahalanobis", "autoencoder of ASDKit"

# year -> (data, system, value, source)
_SCORES = {
    2020: [("dev", _ASDKIT_AE, 0.6533, _RERUN), ("eval", _ASDKIT_AE, 0.6718, _RERUN)],
    2021: [
        ("eval", "baseline", 0.5638, _ASDKIT),
        ("dev", _ASDKIT_AE, 0.5646, _RERUN),
        ("eval", _ASDKIT_AE, 0.5489, _RERUN),
    ],
    2022: [
        ("eval", "example system", 0.5294160921841315, _EVALUATOR),
        ("eval", "baseline", 0.5402, _ASDKIT),
        ("dev", _ASDKIT_AE, 0.5384, _RERUN),
        ("eval", _ASDKIT_AE, 0.5346, _RERUN),
    ],
    2023: [
        ("eval", _AE, 0.5925469043549957, _EVALUATOR),
        ("eval", _MAHALANOBIS, 0.6105082186925268, _EVALUATOR),
        ("dev", _ASDKIT_AE, 0.5482, _RERUN),
        ("eval", _ASDKIT_AE, 0.5780, _RERUN),
    ],
    2024: [
        ("eval", _AE, 0.5650830191796572, _EVALUATOR),
        ("eval", _MAHALANOBIS, 0.5648933421610234, _EVALUATOR),
        ("dev", _ASDKIT_AE, 0.5502, _RERUN),
        ("eval", _ASDKIT_AE, 0.5671, _RERUN),
    ],
    2025: [
        ("eval", _AE, 0.5442827820713174, _EVALUATOR),
        ("eval", _MAHALANOBIS, 0.5650558189601554, _EVALUATOR),
    ],
    2026: [("eval", _AE, 0.598, "pre-registration of polestvr/daco-experiments")],
}

# development set of 2021, MobileNetV2, percent
_DEV_2021 = {
    ("source", "AUC"): (55.80, 67.89, 61.02, 70.21, 65.48, 72.67, 55.95),
    ("target", "AUC"): (57.42, 50.18, 62.35, 64.35, 59.08, 51.21, 57.25),
    ("source", "pAUC"): (58.64, 51.87, 65.79, 61.45, 59.24, 59.50, 52.17),
    ("target", "pAUC"): (54.44, 51.38, 60.84, 57.48, 55.73, 53.17, 53.23),
}
_MACHINES_2021 = ("ToyCar", "ToyTrain", "fan", "gearbox", "pump", "slider", "valve")

# development set of 2022, MobileNetV2, of the machines of 2023 below
_DEV_2022 = {
    ("source", "AUC"): (60.58, 70.75, 69.21, 65.15, 67.09, 59.12, 57.26),
    ("target", "AUC"): (59.94, 48.22, 56.19, 38.23, 57.22, 51.96, 45.90),
}

# development set of 2023, percent: SCU's report gives these figures without the year, CQUPT's with it; their harmonic
# means are those published (to 0.02). Mahalanobis, ToyTrain, target is CQUPT's: SCU's 43.42 repeats that of the ToyCar.
_DEV_2023 = {
    (_AE, "source", "AUC"): (65.92, 80.19, 60.31, 70.31, 55.35, 70.10, 57.93),
    (_AE, "target", "AUC"): (55.75, 36.18, 60.78, 48.77, 50.69, 46.89, 57.02),
    (_AE, "", "pAUC"): (50.42, 59.04, 53.22, 56.37, 51.18, 52.47, 48.57),
    (_MAHALANOBIS, "source", "AUC"): (65.16, 87.10, 71.88, 84.02, 56.31, 74.53, 55.98),
    (_MAHALANOBIS, "target", "AUC"): (55.28, 45.98, 70.78, 73.29, 51.40, 43.42, 42.45),
    (_MAHALANOBIS, "", "pAUC"): (51.33, 59.33, 54.34, 54.72, 51.08, 49.18, 48.13),
}
_MACHINES_2023 = ("bearing", "fan", "gearbox", "slider", "valve", "ToyCar", "ToyTrain")
_DEV_2023_MEANS = {
    _AE: {("source", "AUC"): 64.79, ("target", "AUC"): 49.59, ("", "pAUC"): 52.84},
    _MAHALANOBIS: {("source", "AUC"): 68.84, ("target", "AUC"): 52.37, ("", "pAUC"): 52.36},
}

# what a score over all machines is over: machines, and sections where they tell the sets apart (IDs in 2020)
_SECTIONS = {
    2020: {"dev": {"00", "01", "02", "03", "04", "06"}, "eval": {"01", "03", "04", "05", "06", "07"}},
    2021: {"dev": {"00", "01", "02"}, "eval": {"03", "04", "05"}},
    2022: {"dev": {"00", "01", "02"}, "eval": {"03", "04", "05"}},
}
_MACHINES = {
    **dict.fromkeys(
        [(2020, "dev"), (2020, "eval")], ("ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve")
    ),
    (2021, "dev"): _MACHINES_2021,
    (2021, "eval"): _MACHINES_2021,
    (2022, "dev"): _MACHINES_2023,
    (2022, "eval"): _MACHINES_2023,
    (2023, "dev"): _MACHINES_2023,
    (2024, "dev"): _MACHINES_2023,
    (2023, "eval"): ("bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum"),
    (2024, "eval"): (
        *("3DPrinter", "AirCompressor", "BrushlessMotor", "HairDryer", "HoveringDrone"),
        *("RoboticArm", "Scanner", "ToothBrush", "ToyCircuit"),
    ),
    (2025, "eval"): (
        *("AutoTrash", "BandSealer", "CoffeeGrinder", "HomeCamera", "Polisher"),
        *("ScrewFeeder", "ToyPet", "ToyRCCar"),
    ),
    (2026, "eval"): ("ToyDrone", "ToothBrush", "SewingMachine", "BlowerDustCollector", "Sander"),
}


def published_baseline(
    year: int, *, machines: Iterable[str] | None = None, sections: Iterable[str] = ()
) -> pd.DataFrame:
    """Return the published figures of baseline systems for the data of a year: the challenge's own, and ASDKit's.

    Parameters
    ----------
    year : int
        2020 to 2026.
    machines : iterable of str or None, default=None
        Only the figures that hold for clips of these machines and `sections`. Figures over all machines are included if
        the machines are exactly those of the set. None: all figures.
    sections : iterable of str, default=()
        The sections of those clips, such as "00"; ignored without `machines`.

    Returns
    -------
    figures : DataFrame
        One row per figure: ``data`` ("dev" or "eval", the development or the evaluation data), ``system``,
        ``machine`` ("" for a figure over all machines), ``domain`` ("source", "target" or "" for both), ``metric``
        ("AUC", "pAUC", "official score"; for 2020, when there was none, the arithmetic mean of AUC and pAUC),
        ``value`` in [0, 1], ``source`` (who published it).

    See Also
    --------
    official_score : The same figures for your own system.

    Notes
    -----
    Figures over all machines ("" as machine) hold for exactly the machines and sections of that year's set. For 2021
    and 2022 a machine's figures are harmonic means over sections 00 to 02.

    Figures per machine are known for the development data of 2021, 2022 and 2023. The challenge's own figures are not
    known for 2020, and for 2024 to 2026 only those over all machines of the evaluation data are.

    The autoencoder of ASDKit [4]_ is a re-run in another program, not a system of the challenge.

    References
    ----------
    .. [1] N. Harada et al., "First-shot anomaly sound detection for machine condition monitoring: a domain
       generalization baseline", EUSIPCO, 2023.
    .. [2] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by self supervised
       learning", DCASE2021 Challenge, technical report.
    .. [3] J. Hai, D. Zhou, R. Liu and Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE with
       domain shift techniques", DCASE2024 Challenge, technical report.
    .. [4] ASDKit, arXiv:2507.10264, 2025.
    .. [5] J. Bai et al., "JLESS submission to DCASE2022 task2", DCASE2022 Challenge, technical report.
    .. [6] Y. Zeng, H. Liu and Y. Zhou, "General anomalous sound detection using sound event classification and
       detection", DCASE2023 Challenge, technical report.

    Examples
    --------
    >>> from skasd.metrics import published_baseline
    >>> published_baseline(2024)[["data", "system", "metric", "value"]].round(4)
       data                    system          metric   value
    0  eval          autoencoder, MSE  official score  0.5651
    1  eval  autoencoder, Mahalanobis  official score  0.5649
    2   dev     autoencoder of ASDKit  official score  0.5502
    3  eval     autoencoder of ASDKit  official score  0.5671
    """
    check_year(year)
    rows = [
        (data, system, "", "", "official score", value, source.format(year=year))
        for data, system, value, source in _SCORES.get(year, [])
    ]
    if year == 2021:
        rows += [
            ("dev", "MobileNetV2", machine, domain, metric, value / 100, _SECOM)
            for (domain, metric), values in _DEV_2021.items()
            for machine, value in zip(_MACHINES_2021, values, strict=True)
        ]
    if year == 2022:
        rows += [
            ("dev", "MobileNetV2", machine, domain, metric, value / 100, _JLESS)
            for (domain, metric), values in _DEV_2022.items()
            for machine, value in zip(_MACHINES_2023, values, strict=True)
        ]
    if year == 2023:
        for system, means in _DEV_2023_MEANS.items():
            rows += [
                ("dev", system, "", domain, metric, value / 100, _MEANS)
                for (domain, metric), value in means.items()
            ]
        rows += [
            ("dev", system, machine, domain, metric, value / 100, _SCU_CQUPT)
            for (system, domain, metric), values in _DEV_2023.items()
            for machine, value in zip(_MACHINES_2023, values, strict=True)
        ]
    figures = pd.DataFrame(rows, columns=_COLUMNS)
    return figures if machines is None else _that_hold_for(figures, year, machines, sections)


def _that_hold_for(figures, year, machines, sections):
    machines, sections = set(machines), set(map(str, sections))
    kept = []
    for data, part in figures.groupby("data", sort=False):
        named = set(_MACHINES.get((year, str(data)), ()))
        wanted = _SECTIONS[year][str(data)] if year in _SECTIONS else {"00"}
        if not machines & named or sections != wanted:
            continue
        keep = part["machine"].isin(machines) | ((part["machine"] == "") & (machines == named))
        kept.append(part[keep])
    return pd.concat(kept, ignore_index=True) if kept else figures.iloc[:0]
