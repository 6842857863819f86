"""
Made clips inside a pipeline
============================

:class:`~skasd.augment.MixupSMOTEAugmenter` as a step between features and scorer. New clips need metadata,
and thresholds must not be set from them: :func:`skasd.compose.make_pipeline` takes care of both.
"""

# %%
# A pipeline with few target clips
# --------------------------------
# 92 clips of the source, 8 of the target. The augmenter adds target clips until there are as many.
import imblearn.pipeline
import numpy as np
import pandas as pd
import sklearn
from sklearn.model_selection import GridSearchCV

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MixupSMOTEAugmenter, NormalOnly
from skasd.compose import make_pipeline
from skasd.datasets import make_machine_sounds
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold

sklearn.set_config(enable_metadata_routing=True)

data = make_machine_sounds(n_train=100, n_test=400, n_target_train=8, duration=1.0, random_state=0)
train = (data.table["split"] == "train").to_numpy()
domain = data.table["domain"].to_numpy()

detector = make_pipeline(
    LogMelTransformer(n_mels=64), ClipStatistics(), MixupSMOTEAugmenter(random_state=0), KNNScorer()
)
detector.fit(data.X[train], domain=domain[train])
print(detector[2].sampling_strategy_)

# %%
# The threshold
# -------------
# 10 % false alarms are asked for. A recorded clip has near neighbours among the clips that were made of it;
# new recordings have none. Here every clip is held out together with everything that was made of it. The
# pipeline of imbalanced-learn cannot pass this on to the scorer, so new recordings exceed its thresholds.
# What is above 10 % here comes from the target, which has 8 of the training clips but half of the test clips.
healthy = ~train & (data.y == 1)
rates = {}
target = domain[healthy] == "target"
for name, make in {"skasd": make_pipeline, "imbalanced-learn": imblearn.pipeline.make_pipeline}.items():
    augmenter = MixupSMOTEAugmenter(sampling_strategy=3.0, random_state=0)
    pipeline = make(LogMelTransformer(n_mels=64), ClipStatistics(), augmenter, KNNScorer())
    pipeline.fit(data.X[train])
    alarm = pipeline.predict(data.X[healthy]) == -1
    rates[name] = {"all": np.mean(alarm), "source": np.mean(alarm[~target]), "target": np.mean(alarm[target])}
pd.DataFrame(rates).T.round(3)

# %%
# In a search
# -----------
# The parameters of the steps have the names that they have in any pipeline. ``NormalOnly`` drops the anomalous
# clips of the training folds, the augmenter makes clips of the others.
search = GridSearchCV(
    NormalOnly(detector),
    {
        "estimator__mixupsmoteaugmenter__method": ["smote", "mixup"],
        "estimator__knnscorer__n_neighbors": [1, 4],
    },
    scoring=harmonic_auc_scorer,
    cv=RecordingKFold(3),
).fit(data.X, data.y, domain=domain)
print(search.best_params_, round(search.best_score_, 3))
