"""The arguments of the commands, apart from what these import: help and errors of usage are to come at once."""

from ._formats import FORMATS

DEFAULT_SYSTEM = "default"  # of ``fit`` and ``benchmark``


def demo(parser):
    """Declare the arguments of ``skasd demo``."""
    parser.add_argument(
        "-o", "--output", default="skasd-demo", metavar="FOLDER", help="where to work (skasd-demo)"
    )
    parser.add_argument(
        "--clips", type=int, default=200, metavar="N", help="healthy recordings to learn from (200)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the sounds (0)")


def cut(parser):
    """Declare the arguments of ``skasd cut``."""
    parser.add_argument("recordings", nargs="+", metavar="FOLDER", help="folders, sound files or wildcards")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FOLDER",
        help="new folder for the windows; folders below FOLDER are made there, too",
    )
    parser.add_argument("--window", type=float, default=10.0, metavar="S", help="length of a window (10)")
    parser.add_argument(
        "--hop", type=float, metavar="S", help="from one window to the next (default: a window, no overlap)"
    )


def fit(parser):
    """Declare the arguments of ``skasd fit``."""
    _healthy_recordings(parser)
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="model file to write")
    parser.add_argument(
        "--system",
        default=DEFAULT_SYSTEM,
        metavar="NAME",
        help="published system, as 'secom2021' or 'secom2021:detector=knn,max_epochs=5'; see 'skasd systems'",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (0)")
    parser.add_argument(
        "--section-from",
        metavar="REGEX|parent",
        help="where sections (settings, units) come from: a regular expression on the path, or the parent folder",
    )
    parser.add_argument(
        "--groups-from",
        metavar="REGEX",
        help="the part of a path that names the recording, day or unit of which the file is a piece; the threshold "
        "then holds for other ones",
    )
    parser.add_argument(
        "--proxies", metavar="FOLDER", help="recordings of other machines, for outlier exposure"
    )
    parser.add_argument("--contamination", type=float, metavar="RATE", help="false-alarm rate wanted (0.1)")
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help="sample rate to work at (16000)")
    parser.add_argument("--n-jobs", type=int, metavar="N", help="threads that read and compute features")


def score(parser):
    """Declare the arguments of ``skasd score``."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound files, wildcards or folders")
    parser.add_argument("-o", "--output", metavar="CSV", help="table to write (default: print it)")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="do not judge recordings on which there is a remark (silent, clipped, another level ...): an error each",
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="call anomalous what scores above X (default: the model's own)",
    )
    limit.add_argument(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help="set the threshold for this rate of false alarms, from the model's held-out training scores",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        help="score the K-th of N parts of the recordings; 'evaluate' and 'report' take the tables of all parts",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="scheduler of a dask cluster, as tcp://10.0.0.1:8786, whose workers read the files, which they find under "
        "the same paths, and compute features",
    )
    parser.add_argument("--n-jobs", type=int, metavar="N", help="threads that read and compute features")


def watch(parser):
    """Declare the arguments of ``skasd watch``."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument(
        "source",
        help="folder in which recordings appear; '-' for samples on standard input, raw or with a WAV header; 'mic'",
    )
    parser.add_argument(
        "--window",
        type=float,
        metavar="S",
        help="length of a window (that of the clips learnt from; 10 if these differ and their range holds it)",
    )
    parser.add_argument("--hop", type=float, default=1.0, metavar="S", help="from one window to the next (1)")
    parser.add_argument(
        "--confirm", default="2/3", metavar="K/N", help="alarm: K anomalous of N windows (2/3)"
    )
    parser.add_argument(
        "--alpha",
        type=float,
        metavar="RISK",
        help="alarm by a test martingale instead, with this risk that it is ever false",
    )
    parser.add_argument(
        "--hours-per-false-alarm",
        type=float,
        metavar="H",
        help="alarm by a moving average of the scores instead, falsely once in so many hours; takes --calibrate",
    )
    parser.add_argument(
        "--calibrate",
        type=float,
        metavar="SECONDS",
        help="take so much sound as healthy first, and set the threshold of this stream from it (once)",
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help="with --calibrate: share of healthy windows that may be called anomalous (default: as of the model)",
    )
    parser.add_argument("--rate", type=int, metavar="HZ", help="of raw samples and of the microphone")
    parser.add_argument("--channels", type=int, default=1, metavar="N", help="of the same (1)")
    parser.add_argument("--format", choices=FORMATS, default="s16le", help="of raw samples (s16le)")
    parser.add_argument("--channel", type=int, metavar="N", help="the channel to listen to (the mean of all)")
    parser.add_argument("--device", metavar="NAME", help="of the microphone, by name or number")
    parser.add_argument(
        "--all", action="store_true", help="judge also the files that are in the folder already"
    )
    parser.add_argument(
        "--settle", type=float, default=2.0, metavar="S", help="files are read when unchanged for so long (2)"
    )
    parser.add_argument(
        "--once", action="store_true", help="end when all settled files of the folder are judged"
    )
    parser.add_argument(
        "--on-alarm",
        metavar="COMMAND",
        help="program to run, with its arguments, when an alarm begins; the event comes on its standard input as JSON",
    )
    parser.add_argument("--page", metavar="HTML", help="page that is rewritten while listening")
    parser.add_argument("--page-every", type=float, default=10.0, metavar="S", help="how often (10)")
    parser.add_argument(
        "--hours", type=float, default=6.0, metavar="H", help="how far back the page goes (6)"
    )
    parser.add_argument(
        "--healthy",
        nargs="+",
        metavar="FOLDER",
        help="healthy recordings that alarms are held against, to say where in the sound they lie: folders, wildcards "
        "or files (with --page: those learnt from)",
    )
    parser.add_argument("--state", metavar="FILE", help="where the state is kept (beside the model)")
    parser.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="standard input goes on where it stopped when the state was kept (else it is taken as live)",
    )


def explain(parser):
    """Declare the arguments of ``skasd explain``."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument("file", help="the recording")
    parser.add_argument(
        "--healthy",
        nargs="+",
        metavar="FOLDER",
        help="healthy recordings to hold it against: folders, wildcards or files (default: those learnt from, where "
        "they are still there)",
    )
    parser.add_argument(
        "-o", "--output", metavar="HTML", help="page to write (default: print the sentence alone)"
    )
    parser.add_argument(
        "--from", dest="start", type=float, metavar="S", help="look at the part from this second on"
    )
    parser.add_argument(
        "--to", dest="end", type=float, metavar="S", help="look at the part up to this second"
    )
    parser.add_argument(
        "--max-healthy",
        type=int,
        default=200,
        metavar="N",
        help="healthy recordings looked at, evenly drawn (200)",
    )


def evaluate(parser):
    """Declare the arguments of ``skasd evaluate``."""
    parser.add_argument(
        "scores",
        nargs="+",
        help="table that 'skasd score' wrote, all its shards (files or wildcards), or folder of challenge files "
        "(anomaly_score_*.csv)",
    )
    parser.add_argument(
        "ground_truth",
        help="folder of recordings whose names or subfolders tell, CSV file with path and y, or checkout of the "
        "official evaluator",
    )
    parser.add_argument("-o", "--output", metavar="CSV", help="table of all figures to write")
    parser.add_argument(
        "--year", type=int, help="year of the challenge whose rules apply (default: by the domains)"
    )


def info(parser):
    """Declare the arguments of ``skasd info``."""
    parser.add_argument("model", help="model file")


def calibrate(parser):
    """Declare the arguments of ``skasd calibrate``."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    _healthy_recordings(parser)
    parser.add_argument(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help="share of healthy recordings that may be called anomalous (default: what the model was fitted for)",
    )
    parser.add_argument(
        "--groups-from",
        metavar="REGEX",
        help="where the recording, day or unit comes from that a file is a piece of, as of 'skasd fit' (default: what "
        "'skasd fit' was given)",
    )
    parser.add_argument("-o", "--output", metavar="MODEL", help="model file to write (default: in place)")
    parser.add_argument("--n-jobs", type=int, metavar="N", help="threads that read and compute features")


def update(parser):
    """Declare the arguments of ``skasd update``."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote, of the default detector")
    _healthy_recordings(parser)
    for name, what in (
        ("--section-from", "sections come from"),
        ("--groups-from", "the recording, day or unit comes from that a file is a piece of"),
    ):
        parser.add_argument(
            name,
            metavar="REGEX",
            help=f"where {what}, as of 'skasd fit' (default: what 'skasd fit' was given)",
        )
    parser.add_argument("-o", "--output", metavar="MODEL", help="model file to write (default: in place)")
    parser.add_argument("--n-jobs", type=int, metavar="N", help="threads that read and compute features")


def benchmark(parser):
    """Declare the arguments of ``skasd benchmark``."""
    parser.add_argument(
        "folders", nargs="+", metavar="FOLDER", help="data sets, with train and test recordings"
    )
    parser.add_argument(
        "--systems", default=DEFAULT_SYSTEM, metavar="A,B", help="names, separated by commas or semicolons"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="number of seeds (1)")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="folder for tables and files")
    parser.add_argument(
        "--year",
        type=int,
        help="year of the challenge whose rules apply, as in files of submissions (default: by the domains)",
    )
    parser.add_argument("--n-jobs", type=int, metavar="N", help="detectors fitted at a time")


def report(parser):
    """Declare the arguments of ``skasd report``."""
    parser.add_argument(
        "source",
        nargs="+",
        help="table that 'skasd score' wrote, all its shards (files or wildcards), or folder that 'skasd benchmark' "
        "wrote",
    )
    parser.add_argument("-o", "--output", required=True, metavar="HTML", help="file to write")
    parser.add_argument("--model", help="model file that made the scores: adds embeddings, maps and settings")
    parser.add_argument(
        "--ground-truth", metavar="WHERE", help="as for 'skasd evaluate': adds figures and ROC curves"
    )
    parser.add_argument("--year", type=int, help="year of the challenge: adds its published baselines")
    parser.add_argument(
        "--clips", type=int, metavar="N", help="most anomalous recordings to show (6; of a benchmark 3)"
    )


def export(parser):
    """Declare the arguments of ``skasd export``."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument("-o", "--output", required=True, metavar="ONNX", help="file to write")
    parser.add_argument(
        "--verify",
        nargs="+",
        metavar="FILE",
        help="sound files, wildcards or folders: score them with the file and with the model, and compare",
    )
    parser.add_argument(
        "--int8",
        nargs="+",
        metavar="FOLDER",
        help="the recordings that were learnt from, as for 'skasd fit': the network in 8-bit integers, and references "
        "and threshold learnt anew",
    )


def systems(parser):
    """Declare the arguments of ``skasd systems``: none."""


def _healthy_recordings(parser):
    """Declare the arguments about healthy recordings."""
    parser.add_argument(
        "recordings",
        nargs="+",
        metavar="FOLDER",
        help="folders of healthy recordings (or with subfolders normal/ ...), sound files, wildcards, or a CSV file",
    )
    parser.add_argument("--machine", help="the machine, where the folder holds several (challenge layout)")
    parser.add_argument(
        "--healthy",
        action="store_true",
        help="take all recordings as healthy, though their folder be called ng, faulty ...",
    )
