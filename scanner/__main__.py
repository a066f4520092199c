"""The command `deadkey`, also as `python -m scanner`."""

from __future__ import annotations

import gc
import os
import sys

from scanner.model import DeadkeyError, Incomplete


def main() -> None:
    """Run the command line and exit with its status: 0 nothing found, 1 findings, 2 bad usage, 3 incomplete."""
    # A start makes many objects that all stay: looking through them for garbage costs a hook a twentieth of its time.
    gc.set_threshold(50_000, 20, 20)
    from scanner.cli.main import command

    try:
        command.main(prog_name="deadkey", standalone_mode=True)
    except SystemExit as e:
        _leave(e)
        raise
    except DeadkeyError as e:
        from scanner.report.text import inert

        for line in str(e).split("\n"):
            print(f"deadkey: {inert(line)}", file=sys.stderr)
        sys.exit(3 if isinstance(e, Incomplete) else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except MemoryError:
        print("deadkey: out of memory; scan less at once, or with fewer --jobs", file=sys.stderr)
        sys.exit(3)
    except Exception as e:
        if os.environ.get("DEADKEY_DEBUG"):
            raise
        print(f"deadkey: internal error: {_where(e)}; DEADKEY_DEBUG=1 shows more. Please report it.", file=sys.stderr)
        sys.exit(3)


def _leave(ending: SystemExit) -> None:
    """End at once, where nothing is left to be done: giving every object back first costs a hook a tenth of its time.

    Returns where the usual way is needed: for other processes, for a status in words, for output that cannot be written,
    for callers in the same process.
    """
    ours = sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__  # no caller's that wants to go on
    if not ours or "multiprocessing" in sys.modules or not isinstance(ending.code, int | None):
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(ending.code or 0)


def _where(error: Exception) -> str:
    """The kind of an unexpected error and the line it came from; its text could hold anything."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    return type(error).__name__ + place


if __name__ == "__main__":
    main()
