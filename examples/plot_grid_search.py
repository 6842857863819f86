"""
Choosing a detector by cross-validation
=======================================

``GridSearchCV`` over detectors, scored by the harmonic mean of AUC and pAUC over domains. The training folds hold
anomalous clips too; :class:`~skasd.compose.NormalOnly` drops them before every fit, the final refit included. The
log-mels are computed once: ``memory`` caches them.
"""

# %%
# Some machines, some of them faulty
# ----------------------------------
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skasd import (
    ClipStatistics,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    NormalOnly,
)
from skasd.datasets import make_machine_sounds
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold

data = make_machine_sounds(n_train=120, n_test=120, n_target_train=40, random_state=0)
table = data.table

# %%
# The search
# ----------
# ``domain`` travels to the scorers (one reference per domain) and to the metric (one AUC per domain).
with tempfile.TemporaryDirectory() as folder, sklearn.config_context(enable_metadata_routing=True):
    pipeline = Pipeline(
        [("logmel", LogMelTransformer()), ("statistics", ClipStatistics()), ("scorer", LOFScorer())],
        memory=folder,
    )
    search = GridSearchCV(
        NormalOnly(pipeline),
        {
            "estimator__scorer": [LOFScorer(), KNNScorer(), KNNCosineScorer(), MahalanobisScorer()],
            "estimator__statistics__statistics": [("mean",), ("mean", "std")],
        },
        scoring=harmonic_auc_scorer,
        cv=RecordingKFold(3, shuffle=True, random_state=0),
    )
    search.fit(
        data.X, data.y, groups=np.arange(len(data.y)), domain=table["domain"], section=table["section"]
    )

results = pd.DataFrame(search.cv_results_)
results["detector"] = [
    f"{type(scorer).__name__}, {' + '.join(statistics)}"
    for scorer, statistics in zip(
        results["param_estimator__scorer"], results["param_estimator__statistics__statistics"], strict=True
    )
]
results = results.sort_values("mean_test_score")
print(results[["detector", "mean_test_score", "std_test_score"]].to_string(index=False))
print(
    f"refitted on {np.sum(data.y == 1)} normal clips, {search.best_estimator_.n_dropped_} anomalous ones dropped"
)

# %%
figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.barh(results["detector"], results["mean_test_score"], xerr=results["std_test_score"], color="#4477aa")
ax.set(xlabel="harmonic mean of AUC and pAUC over domains", xlim=(0.4, 1))
ax.spines[["top", "right"]].set_visible(False)
plt.show()
