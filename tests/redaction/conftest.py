"""One redactor for all, since it may be shared."""

from __future__ import annotations

import pytest

from scanner.redaction import Redactor
from scanner.ruleset.ruleset import Ruleset


@pytest.fixture(scope="session")
def redactor(ruleset: Ruleset) -> Redactor:
    return Redactor()
