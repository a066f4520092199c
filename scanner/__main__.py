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
        for line in str(e).splitlines() or [type(e).__name__]:
            print(f"deadkey: {line.encode('utf-8', 'backslashreplace').decode()}", file=sys.stderr)
        sys.exit(3 if isinstance(e, Incomplete) else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except MemoryError:
        print("deadkey: out of memory; scan less at once, or with fewer --jobs", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
