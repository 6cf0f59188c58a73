"""Exit codes: from what a command raises to what the shell sees.

    0    done (also when a check of the scenario does not hold, unless `--strict`)
    1    it failed for another reason: a venue, a journal, a link, a disk, or our defect
    2    input that cannot be used: options, files, configuration, scenarios, run directories
    3    with `--strict`: a check of the scenario does not hold
    4    a journal does not verify: a record or its place in the chain is not as it was written
    130  interrupted

Rule of this file: bad input and failures are one line on stderr, `error: ...`; a traceback is for defects that no
exception of ours describes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from router.domain.errors import AnabranchError, BadInputError, JournalCorruptError

FAILED, BAD_INPUT, CHECK_FAILED, CORRUPT, INTERRUPTED = 1, 2, 3, 4, 130

PROGRAM = "anabranch"

# Typer carries its own copy of click and exports the leaf of this branch only.
_UsageError = typer.BadParameter.__mro__[1]


def run_app(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run the application and return the exit code."""
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except BadInputError as exc:
        return _say(str(exc), BAD_INPUT)
    except JournalCorruptError as exc:
        return _say(f"{type(exc).__name__}: {exc}", CORRUPT)
    except AnabranchError as exc:
        return _say(f"{type(exc).__name__}: {exc}", FAILED)
    except BrokenPipeError:
        # The reader left. Python would complain once more when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except OSError as exc:
        return _say(str(exc), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except Exception as exc:
        if not isinstance(exc, _UsageError):
            raise
        return _say(_usage(exc), BAD_INPUT)
    return code if isinstance(code, int) else 0


def _usage(exc: Exception) -> str:
    format_message = getattr(exc, "format_message", None)
    said = str(format_message() if callable(format_message) else exc)
    context = getattr(exc, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    return f"{said.rstrip('.')} - see `{path} --help`"


def _say(text: str, code: int) -> int:
    """Print one line, whatever line breaks a library's message has."""
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code
