"""The command line: ``python -m skasd``, a thin face over the public functions.

Exit codes: 0, done; 1, done, but some clips or systems failed (each is reported, the others are not affected);
2, nothing was done: wrong arguments, no such file, nothing to work on.
"""

import argparse
import shlex
import sys
import warnings

from .. import __version__
from . import _benchmark, _demo, _evaluate, _fit, _report, _score, _systems
from ._console import Console

__all__ = ["main"]


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
    args = _parser().parse_args(argv)
    args.command = shlex.join(["skasd", *argv])
    console = Console(quiet=args.quiet, as_json=args.json)
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = console.show_warning
        try:
            return args.run(args, console)
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            console.fail(error)
            return 2
        except KeyboardInterrupt:
            console.fail("interrupted")
            return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="skasd",
        description="Hears when a machine sounds wrong, having heard only healthy machines.",
        epilog="Exit codes: 0 done; 1 done, but some clips or systems failed; 2 nothing was done.",
    )
    parser.add_argument("--version", action="version", version=f"skasd {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (_demo, _fit, _score, _evaluate, _benchmark, _report, _systems):
        name = module.__name__.rpartition("._")[2]
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.add_argument("-q", "--quiet", action="store_true", help="print errors and warnings only")
        command.add_argument("--json", action="store_true", help="print one JSON object instead of text")
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
