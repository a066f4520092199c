"""A credential of the user's: where it is read from, when it is needed and not before."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from scanner.model import DeadkeyError

COMMAND_SECONDS = 30.0
"""How long a command that gives a credential may take."""


@dataclass(frozen=True)
class Source:
    """Where a credential is read from, once and when it is needed: an environment variable, a file or a command.

    Calling it gives the value without the white space around it; DeadkeyError says which one cannot be had and why.
    """

    name: str
    env: str | None = None
    file: Path | None = None
    command: tuple[str, ...] | None = None
    _kept: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(self) -> str:
        with self._lock:
            if "value" not in self._kept:
                self._kept["value"] = self._read()
            return self._kept["value"]

    def _read(self) -> str:
        if self.env is not None:
            value, where = os.environ.get(self.env, ""), f"the environment variable {self.env} is not set"
        elif self.file is not None:
            try:
                value, where = self.file.read_text("utf-8"), f"{self.file} is empty"
            except (OSError, UnicodeDecodeError) as e:
                why = e.strerror if isinstance(e, OSError) else "not UTF-8"
                raise DeadkeyError(f"credential {self.name}: {self.file}: {why}") from None
        else:
            value, where = self._run(), "its command printed nothing"
        if not value.strip():
            raise DeadkeyError(f"credential {self.name}: {where}")
        return value.strip()

    def _run(self) -> str:
        try:
            done = subprocess.run(
                self.command or (),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=os.sep,
                timeout=COMMAND_SECONDS,
                check=True,
            )
            return done.stdout.decode()
        except subprocess.CalledProcessError as e:
            why = f"its command ended with status {e.returncode}"
        except subprocess.TimeoutExpired:
            why = f"its command took longer than {COMMAND_SECONDS:g} s"
        except OSError as e:
            why = f"its command cannot be started: {e.strerror}"
        except UnicodeDecodeError:
            why = "its command printed something that is not UTF-8"
        raise DeadkeyError(f"credential {self.name}: {why}") from None
