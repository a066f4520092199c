"""Takes tokens out of what is about to be written: text, log records, and streams of lines.

`Redactor` masks text or bytes, `Filter` and `Formatter` do it for `logging`. Nothing heavy is imported before the first of
them is made.
"""

from __future__ import annotations

from scanner.redaction.logs import Filter, Formatter
from scanner.redaction.mask import Redactor

__all__ = ["Filter", "Formatter", "Redactor"]
