"""The command `deadkey`, also as `python -m scanner`."""

from __future__ import annotations

import os
import sys

from scanner.model import DeadkeyError, Incomplete


def main() -> None:
    """Run the command line and exit with its status: 0 nothing found, 1 findings, 2 bad usage, 3 incomplete."""
    from scanner.cli.main import command

    try:
        command.main(prog_name="deadkey", standalone_mode=True)
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


def _where(error: Exception) -> str:
    """The kind of an unexpected error and the line it came from; its text could hold anything."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    return type(error).__name__ + place


if __name__ == "__main__":
    main()
