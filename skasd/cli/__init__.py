"""The command line: ``python -m skasd``, a thin face over the public functions.

Exit codes: 0, done; 1, done, but some clips or systems failed (each is reported, the others are not affected);
2, nothing was done: wrong arguments, no such file, nothing to work on; 130, interrupted; 141, nobody reads the result
any more.
"""

import argparse
import importlib
import shlex
import sys
import warnings

from .. import __version__
from . import _arguments

__all__ = ["main"]

# Each command has a function of its name in `_arguments`, and a module of its name with run(args, console), which is
# imported when the command runs.
_COMMANDS = {
    "demo": "make recordings of a synthetic machine, then fit, score, evaluate and report",
    "cut": "cut long recordings into windows of one length, each a file: a model takes a file for one clip",
    "fit": "learn from a folder of healthy recordings and write a model file",
    "score": "score recordings with a model and write a table",
    "watch": "listen to a folder, a pipe or a microphone with a model, and raise alarms",
    "explain": "say where in time and frequency a recording sounds anomalous, on a page with pictures and both sounds",
    "evaluate": "compare scores with the ground truth: AUC, pAUC, rates, official score",
    "info": "say what a model is, what it was fitted on, its threshold and what rate of false alarms to expect",
    "calibrate": "set a model's threshold from healthy recordings that it was not fitted on; nothing else is learnt",
    "update": "add healthy recordings to those that a model was fitted on, without reading these again",
    "benchmark": "compare systems on folders of recordings, with several seeds; resumes where it was cut off",
    "report": "write one HTML file about scored recordings or a benchmark; it opens anywhere, without network",
    "export": "write a model as one ONNX file, which runs with NumPy and onnxruntime alone",
    "systems": "list the detectors that --system and --systems know",
}


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None: those of the process.

    Returns
    -------
    code : int
        The exit code; see above.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parser(argv).parse_args(argv)
        command = importlib.import_module(f"._{args.name}", __package__)
        from ._console import Console, drop_output  # imports pandas
    except KeyboardInterrupt:  # during the imports
        print("skasd: error: interrupted", file=sys.stderr)
        return 130
    args.command = shlex.join(["skasd", *argv])
    console = Console(quiet=args.quiet, as_json=args.json)
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = console.show_warning
        try:
            return command.run(args, console)
        except BrokenPipeError:
            drop_output()
            return 141
        except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
            console.fail(error)
            return 2
        except KeyboardInterrupt:
            console.fail("interrupted")
            return 130


def _parser(argv):
    """Return the parser, with the arguments of the one command that ``argv`` names."""
    parser = argparse.ArgumentParser(
        prog="skasd",
        description="Hears when a machine sounds wrong, having heard only healthy machines.",
        epilog="Exit codes: 0 done; 1 done, but some clips or systems failed; 2 nothing was done.",
    )
    parser.add_argument("--version", action="version", version=f"skasd {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, dest="name", metavar="COMMAND")
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        if name == wanted:
            getattr(_arguments, name)(command)
            command.add_argument("-q", "--quiet", action="store_true", help="print errors and warnings only")
            command.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
