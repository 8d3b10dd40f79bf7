"""The command line: ``unikl``, or ``python -m unikl``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from unikl.cli.errors import CliError
from unikl.cli.parser import make_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        0; 1 where a check fails; 2 for bad input, told in one line on stderr; 130 when interrupted.
    """
    # Read once, when TensorFlow is imported: without it, its start-up notes bury the answer.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        args = make_parser().parse_args(argv)
        code: int = importlib.import_module(f"unikl.cli.{args.command}").run(args)
        sys.stdout.flush()
        return code
    except CliError as error:
        print(f"unikl: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(" ".join(["unikl: interrupted", *map(str, error.args)]), file=sys.stderr, flush=True)
        if argv is None:
            os._exit(130)  # no clean-up: after an interrupted compilation, that of jaxlib crashes
        return 130
    except OSError as error:  # of stdout: a full disk, a reader that left; files have their own
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the flush at exit fails once more
        if not isinstance(error, BrokenPipeError):
            print(f"unikl: error: cannot write the output: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
