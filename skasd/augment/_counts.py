"""Numbers of clips that are added to each class."""

import warnings
from collections.abc import Mapping
from numbers import Real

import numpy as np
from imblearn.utils import check_sampling_strategy


def count_new(strategy, rows, classes, sampling_type):
    """Return the number of new clips by class.

    ``strategy`` is the ``sampling_strategy`` of :class:`skasd.augment.MixupSMOTEAugmenter`, ``rows`` are the clips of
    each class that can be multiplied, ``classes`` the class of each of these, ``sampling_type`` imbalanced-learn's kind
    of sampler.
    """
    counts = {label: len(members) for label, members in rows.items()}
    if callable(strategy):
        strategy = strategy(classes)
    if isinstance(strategy, Mapping):
        unknown = [label for label in strategy if label not in counts]
        if unknown:
            raise ValueError(f"sampling_strategy names the class {unknown[0]!r}; there are {list(counts)}.")
        few = [label for label, n in strategy.items() if n < counts[label]]
        if few:
            raise ValueError(
                f"sampling_strategy asks for {strategy[few[0]]} clips of class {few[0]!r}, which has "
                f"{counts[few[0]]}: clips are only added."
            )
        return {label: n - counts[label] for label, n in strategy.items()}
    if isinstance(strategy, Real):
        wanted = round(strategy * max(counts.values()))
        return {label: max(wanted - n, 0) for label, n in counts.items()}
    if len(counts) < 2:
        warnings.warn(
            f"There is one class of {len(classes)} clips only, and sampling_strategy={strategy!r} "
            "balances classes: nothing is added. Give section or domain, or a number such as "
            "sampling_strategy=2.0.",
            UserWarning,
        )
        return dict.fromkeys(counts, 0)
    codes = np.repeat(np.arange(len(counts)), list(counts.values()))
    by_code = check_sampling_strategy(strategy, codes, sampling_type)
    return {label: int(by_code.get(code, 0)) for code, label in enumerate(counts)}
