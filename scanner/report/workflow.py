"""What build systems read in a job's log as commands, and how content is kept from being read as one.

GitHub Actions: a line that begins with `::name properties::message`, and an older form `##[name]` anywhere in a line
(https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands). Azure Pipelines:
`##vso[area.action properties]message` anywhere in a line, and `##[name]`
(https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands).
"""

from __future__ import annotations

import re

_COMMAND = re.compile(r"(?m)^([^\S\n]*:)(?=:)|(#)(?=#(?:vso)?\[)", re.IGNORECASE)


def defused(text: str) -> str:
    """`text` for the log of a job, without anything that is read as a command: `::` and `##[` are parted by a blank."""
    return _COMMAND.sub(lambda found: f"{found[0]} ", text)


def github_message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


def azure_message(text: str) -> str:
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def azure_property(text: str) -> str:
    return azure_message(text).replace(";", "%3B").replace("]", "%5D")
