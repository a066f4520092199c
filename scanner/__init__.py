"""deadkey: find leaked tokens, ask whether they are live, and kill the live ones. The names below are what others may use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanner.api import DeadkeyError, Finding, Incomplete, Location, Report, scan

__all__ = ["DeadkeyError", "Finding", "Incomplete", "Location", "Report", "scan"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scanner import api  # only now: most of what imports this package wants a single room of it

    return getattr(api, name)
