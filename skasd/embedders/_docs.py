"""Docstring parts that the embedders share, so that each is written once."""

from .._docs import CLIPS, shared_docstring

PARAMETERS = """
loss : {"arcface", "adacos", "subcluster_adacos", "focal", "cross_entropy", "binary_cross_entropy"} or callable, \
        default="cross_entropy"
    Objective of the section classification. To change its arguments, pass a factory ``loss(embedding_dim, n_classes)``,
    such as ``functools.partial(skasd.nn.ArcFace, s=16.0)``.

patch_frames : int, default=64
    Frames of one patch. Clips shorter than a patch are repeated in time; if all training clips are shorter,
    the network is built for the longest of them (``patch_frames_``).

patch_hop : int or None, default=None
    Frames between the patches of the regular grid when embedding; None: half a patch.

merge : {"mean", "std"} or tuple of them, default="mean"
    How the embeddings of a clip's patches become one row; several are concatenated.

output : {"embedding", "log_proba", "log_odds"} or tuple of them, default="embedding"
    What ``transform`` returns; several are concatenated. ``"log_proba"`` is the mean over patches of the log of
    the class probabilities, ``"log_odds"`` that of ``log p - log(1 - p)``.

n_pseudo_classes : int, default=10
    Number of clusters that replace sections if no section, or only one, is known.

standardize_input : {"bin", "global"} or None, default="bin"
    Standardisation of the input by mean and standard deviation of the training clips: per frequency bin, overall,
    or none.

mixing : {"mixup", "fmix", "sound_events"}, tuple of them, callable or None, default="mixup"
    Batch mixing during training; of several, one is drawn for each batch. ``"sound_events"`` is
    :class:`~skasd.nn.SoundEventMixing`, used with ``loss="binary_cross_entropy"``. A callable is called as
    ``mixing(x, y, generator=generator, partner=partner)``.

domain_mixing : bool, default=True
    If ``domain=`` marks source and target clips: fill every mini-batch with clips of both, and mix across domains
    (batch mixing strategy of JLESS 2022, section 2.1).

augmenter : object with ``augment(X, y=None, **metadata)`` or None, default=None
    Creates additional training clips before training.

max_epochs : int, default=30
    Passes over the training clips; each takes one random patch of every clip.

batch_size : int, default=32
    Patches in a mini-batch.

lr : float, default=0.001
    Learning rate; with ``lr_schedule="onecycle"`` its maximum.

lr_schedule : {"onecycle", "constant"}, default="onecycle"
    How the learning rate changes from batch to batch. Other schedules: "constant", and skorch's ``LRScheduler`` among
    ``callbacks``.

optimizer : {"adam", "adamw", "adamax", "sgd"} or a torch.optim.Optimizer class, default="adamw"
    Optimiser of network and class weights.

weight_decay : float, default=0.0001
    Weight decay of the optimiser.

device : str, default="auto"
    ``"auto"``: CUDA if available, else the CPU; or any torch device.

precision : {"auto", "float32", "bfloat16"}, default="auto"
    ``"auto"``: bfloat16 autocast on CUDA, float32 on the CPU. On the CPU ``"bfloat16"`` applies to embedding only:
    training with it is slower there.

n_threads : int or None, default=None
    Threads of torch and of matrix products during training and embedding, whatever is set outside. With the same
    number, results on the CPU are the same to the last bit in this process, in threads and in joblib workers. None: the
    environment variable ``SKASD_NUM_THREADS``, else 1. More are faster if nothing else runs.

callbacks : list of skorch callbacks or None, default=None
    Callbacks of the training, such as :class:`EarlyStopping` and :class:`Checkpoint`.

random_state : int, RandomState instance or None, default=None
    Seed of initial weights, order, crops and mixing. On the CPU the same seed gives bit-identical results for the same
    ``n_threads``.

verbose : int, default=0
    0: quiet; 1: progress bars.
"""

ATTRIBUTES = """
net_ : skorch.NeuralNet
    The trained network; ``net_.history`` holds the losses.

classes_ : ndarray of shape (n_classes,)
    Classes of the auxiliary task, sorted.

patch_frames_ : int
    Frames of the patches that the network takes.

patch_hop_ : int
    Frames between successive patches of a clip in ``transform``.

device_ : str
    Device of the network.

n_features_in_ : int
    Number of frequency bins.
"""

PSEUDO_LABELS = """
pseudo_labels_ : ndarray of int of shape (n_clips,) or None
    Cluster of each training clip if clusters replaced sections.
"""

FIT = """
X : array-like of shape (n_clips, n_bins, n_frames), list of ndarrays of shape (n_bins, n_frames_i) or \
        array-like of shape (n_clips, n_bins)
    Time-frequency clips. All-NaN clips (skipped files) are left out.

y : array-like of shape (n_clips,) or None, default=None
    Ignored if coded {+1, -1}; any other discrete labels replace a missing ``section``.

section : array-like of shape (n_clips,) or None, default=None
    Machine, ID, section or attribute of each clip: the classes. Without it, or with a single value, clusters of simple
    spectral statistics are the classes (``pseudo_labels_``).

domain : array-like of {"source", "target"} of shape (n_clips,) or None, default=None
    Used for batch mixing across domains.

proxy : array-like of bool of shape (n_clips,) or None, default=None
    Clips of other machines; left out.
"""

with_shared_docstring = shared_docstring(CLIPS + PARAMETERS, ATTRIBUTES + PSEUDO_LABELS)
with_fit_docstring = shared_docstring(FIT)
