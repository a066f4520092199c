"""Which build system this runs in, and what its build is about: by the variables that each documents, and nothing else.

GitHub Actions: https://docs.github.com/actions/reference/workflows-and-actions/variables and the webhook's payload in
`GITHUB_EVENT_PATH`. GitLab: https://docs.gitlab.com/ci/variables/predefined_variables/. Azure Pipelines:
https://learn.microsoft.com/azure/devops/pipelines/build/variables. Jenkins: `env-vars.html` of any Jenkins, for its Git and
Branch API plug-ins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scanner.model import DeadkeyError

System = Literal["github", "gitlab", "azure", "jenkins"]

NAMES: dict[System, str] = {
    "github": "GitHub Actions",
    "gitlab": "GitLab CI",
    "azure": "Azure Pipelines",
    "jenkins": "Jenkins",
}
REMEDY: dict[System, str] = {
    "github": "give actions/checkout `fetch-depth: 0`",
    "gitlab": "set the variable GIT_DEPTH to 0",
    "azure": "give the checkout step `fetchDepth: 0`",
    "jenkins": "switch the shallow clone off in the job's Git settings",
}
"""How to have the whole history in a build."""

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Build(NamedTuple):
    """What a build is about: what `heads` has and `bases` has not, of each the first that is known here.

    Where no base is known it is all that the head has; with `whole` the whole history. `what` says it in words.
    """

    system: System
    what: str
    heads: tuple[str, ...] = ("HEAD",)
    bases: tuple[str, ...] = ()
    merge: str = ""
    """Where a base is not here: the commit in which the build system merged the head into it, if it did."""
    whole: bool = False


def detect(environment: Mapping[str, str]) -> Build:
    """Raises DeadkeyError where no build system shows itself, or what it says cannot be read."""
    known = {
        "GITHUB_ACTIONS": _github,
        "GITLAB_CI": _gitlab,
        "TF_BUILD": _azure,
        "JENKINS_URL": _jenkins,
    }
    for variable, read in known.items():
        if environment.get(variable):
            return read(environment)
    names = ", ".join(NAMES.values())
    raise DeadkeyError(
        f"no build system shows itself ({names}, by {', '.join(known)}); "
        "`deadkey scan diff A..B` scans a range, `deadkey scan git` the whole history"
    )


def _ids(*values: Any) -> tuple[str, ...]:
    """Those that are ids of commits; all zeros stand for none."""
    return tuple(v for v in values if isinstance(v, str) and _ID.fullmatch(v) and v.strip("0"))


def _before(before: Any, branch: str, default: Any) -> tuple[str, ...]:
    """Where a push began, or for a new branch, and one that was forced, the default branch.

    Not whatever branch there is: two new ones pushed together would each vouch for the other.
    """
    beside = (f"refs/remotes/origin/{default}",) if isinstance(default, str) and default not in ("", branch) else ()
    return (*_ids(before), *beside)


def _github(environment: Mapping[str, str]) -> Build:
    event = environment.get("GITHUB_EVENT_NAME", "")
    payload = _payload(environment.get("GITHUB_EVENT_PATH", ""))
    here = _ids(environment.get("GITHUB_SHA"))
    if event.startswith("pull_request"):
        request = _inner(payload, "pull_request")
        head, base = _inner(request, "head").get("sha"), _inner(request, "base").get("sha")
        # the merge of both is what is checked out, unless the event is about the target
        merge = here if event == "pull_request" else ()
        what = f"pull request {_number(payload)}"
        return Build("github", what, (*_ids(head), *merge), _ids(base), "".join(merge))
    if event == "merge_group":
        group = _inner(payload, "merge_group")
        return Build("github", "a merge group", (*_ids(group.get("head_sha")), *here), _ids(group.get("base_sha")))
    if event == "push":
        branch = environment.get("GITHUB_REF_NAME", "")
        heads = (*_ids(payload.get("after")), *here)
        before = _before(payload.get("before"), branch, _inner(payload, "repository").get("default_branch"))
        return Build("github", f"a push to {branch}", heads, before)
    return Build("github", "the whole history", whole=True)


def _payload(path: str) -> Mapping[str, Any]:
    try:
        payload = json.loads(Path(path).read_text("utf-8")) if path else {}
    except (OSError, ValueError, RecursionError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not JSON"
        raise DeadkeyError(f"{path}: cannot read the event (GITHUB_EVENT_PATH): {reason}") from e
    return payload if isinstance(payload, dict) else {}


def _inner(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def _number(payload: Mapping[str, Any]) -> str:
    number = payload.get("number")
    return str(number) if isinstance(number, int) else "?"


def _gitlab(environment: Mapping[str, str]) -> Build:
    get = environment.get
    here = _ids(get("CI_COMMIT_SHA"))
    if request := get("CI_MERGE_REQUEST_IID"):
        heads = (*_ids(get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA")), *here)
        return Build("gitlab", f"merge request {request}", heads, _ids(get("CI_MERGE_REQUEST_DIFF_BASE_SHA")))
    if get("CI_PIPELINE_SOURCE") in ("push", "external_pull_request_event", None):
        branch = get("CI_COMMIT_BRANCH") or ""
        what = f"a push to {branch or get('CI_COMMIT_TAG') or 'a branch'}"
        return Build("gitlab", what, here, _before(get("CI_COMMIT_BEFORE_SHA"), branch, get("CI_DEFAULT_BRANCH")))
    return Build("gitlab", "the whole history", whole=True)


def _azure(environment: Mapping[str, str]) -> Build:
    get = environment.get
    here = _ids(get("BUILD_SOURCEVERSION"))
    target = (get("SYSTEM_PULLREQUEST_TARGETBRANCH") or "").removeprefix("refs/heads/")
    if get("BUILD_REASON") == "PullRequest" and target:
        number = get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER") or get("SYSTEM_PULLREQUEST_PULLREQUESTID") or "?"
        heads = (*_ids(get("SYSTEM_PULLREQUEST_SOURCECOMMITID")), *here)
        return Build("azure", f"pull request {number}", heads, (f"refs/remotes/origin/{target}",), "".join(here))
    # what was there before a push is not told
    return Build("azure", "the whole history", whole=True)


def _jenkins(environment: Mapping[str, str]) -> Build:
    get = environment.get
    heads = (*_ids(get("GIT_COMMIT")), "HEAD")
    if target := get("CHANGE_TARGET"):
        what = f"change {get('CHANGE_ID') or '?'}"
        return Build("jenkins", what, heads, (f"refs/remotes/origin/{target}",), "HEAD")
    before = _ids(get("GIT_PREVIOUS_SUCCESSFUL_COMMIT"), get("GIT_PREVIOUS_COMMIT"))
    if before:
        return Build("jenkins", "what is new since the last build", heads, before)
    return Build("jenkins", "the whole history", whole=True)
