"""A build scans what it is about, however shallow its checkout is, and reports the way its build system shows it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
import yaml

from tests.cli.builds import Forge, actions, copied, git, leak, pull_request, run_action
from tests.cli.builds import forge as made
from tests.cli.parts import ROOT, one_line
from tests.conftest import GitRepo, deadkey, github_token

REPORTS = ROOT / "tests/report"


@pytest.fixture
def forge(new_repo: Callable[[str], GitRepo]) -> Forge:
    return made(new_repo)


@pytest.fixture(autouse=True)
def no_build_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("GITHUB_", "CI_", "GITLAB_", "BUILD_", "SYSTEM_", "CHANGE_"))]:
        monkeypatch.delenv(name)
    for name in ("CI", "TF_BUILD", "JENKINS_URL"):
        monkeypatch.delenv(name, raising=False)


def ci(folder: Path, environment: dict[str, str], *arguments: str, status: int) -> tuple[str, str]:
    done = deadkey("ci", *arguments, cwd=folder, **environment)
    assert done.returncode == status, (done.stdout + done.stderr).decode()
    return done.stdout.decode(), done.stderr.decode()


def found(folder: Path) -> set[tuple[str, str | None]]:
    """Path and commit of every place in the SARIF file."""
    places = [
        place
        for result in json.loads((folder / "deadkey.sarif").read_text())["runs"][0]["results"]
        for place in result["locations"]
    ]
    return {(p["physicalLocation"]["artifactLocation"]["uri"], p.get("properties", {}).get("commit")) for p in places}


# GitHub Actions -------------------------------------------------------------------------------------------------------


def test_a_pull_request_with_its_whole_history(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge)
    environment = pull_request(forge, tmp_path / "runner")
    out, err = ci(work, environment, status=1)
    assert "GitHub Actions: pull request 7" in err
    assert found(work) == {("app.py", forge.first), ("late.py", forge.head)}
    assert "::error title=GitHub personal access token (classic) (github-pat),file=app.py,line=2" in out
    assert f"brought in by {forge.first[:12]}" in out
    summary = (tmp_path / "runner/summary").read_text()
    assert summary.startswith("### deadkey: 2 secrets in 2 places.\n") and "| critical |" in summary
    outputs = dict(line.split("=") for line in (tmp_path / "runner/output").read_text().splitlines())
    assert outputs == {"status": "1", "findings": "2", "live": "0", "complete": "true", "sarif": "deadkey.sarif"}
    for text in (out, err, summary, (work / "deadkey.sarif").read_text()):
        assert github_token("app").decode() not in text


def test_a_shallow_pull_request_is_scanned_and_called_incomplete(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge, "--depth=1")
    out, _ = ci(work, pull_request(forge, tmp_path / "runner"), status=3)
    assert {path for path, _ in found(work)} == {"old.py", "late.py"}
    assert "::warning title=deadkey::" in out
    assert "shallow checkout" in out and "`fetch-depth%3A 0`" not in out and "fetch-depth: 0" in out
    assert git(work, "rev-parse", "--is-shallow-repository") == "true"


def test_with_the_merge_s_parents_only_their_difference_is_scanned(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge, "--depth=2")
    out, _ = ci(work, pull_request(forge, tmp_path / "runner"), status=3)
    assert {path for path, _ in found(work)} == {"late.py"}
    assert f"that commit was compared with {forge.base[:12]}" in out


def test_fetching_what_is_missing_when_asked_to(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge, "--depth=1")
    ci(work, pull_request(forge, tmp_path / "runner"), "--fetch", status=1)
    assert found(work) == {("app.py", forge.first), ("late.py", forge.head)}


def test_a_remote_that_does_not_answer_is_told_without_its_password(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge, "--depth=1")
    git(work, "remote", "set-url", "origin", "http://user:pass-word-9@127.0.0.1:1/x")
    done = deadkey("ci", "--fetch", "--quiet", cwd=work, **pull_request(forge, tmp_path / "runner"))
    assert done.returncode == 2
    assert "git fetch" in one_line(done.stderr) and b"pass-word-9" not in done.stderr


@pytest.mark.parametrize(
    ("before", "paths"),
    [("first", {"late.py"}), ("zeros", {"app.py", "late.py"}), ("gone", {"app.py", "late.py"})],
)
def test_pushes(forge: Forge, tmp_path: Path, before: str, paths: set[str]) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", "-b", "topic", f"file://{forge.path}", str(work))
    old = {"first": forge.first, "zeros": "0" * 40, "gone": "ab" * 20}[before]
    event = {"before": old, "after": forge.head, "repository": {"default_branch": "main"}}
    environment = actions(tmp_path / "runner", "push", event, GITHUB_SHA=forge.head, GITHUB_REF_NAME="topic")
    _, err = ci(work, environment, status=1)
    assert {path for path, _ in found(work)} == paths
    assert "a push to topic" in err


def test_a_first_push_of_the_default_branch_is_all_of_it(forge: Forge, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", "-b", "main", f"file://{forge.path}", str(work))
    event = {"before": "0" * 40, "after": forge.base, "repository": {"default_branch": "main"}}
    environment = actions(tmp_path / "runner", "push", event, GITHUB_SHA=forge.base, GITHUB_REF_NAME="main")
    ci(work, environment, status=1)
    assert {path for path, _ in found(work)} == {"old.py"}


def test_other_events_scan_the_whole_history(forge: Forge, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", f"file://{forge.path}", str(work))
    for _ in range(2):  # the second remembers the first, and reports the same
        ci(work, actions(tmp_path / "runner", "schedule", {}), status=1)
        assert {path for path, _ in found(work)} == {"old.py", "app.py", "late.py"}
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{forge.path}", str(tmp_path / "shallow"))
    ci(tmp_path / "shallow", actions(tmp_path / "runner", "schedule", {}), status=3)


def test_a_clean_pull_request(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge)
    environment = pull_request(forge._replace(head=forge.base), tmp_path / "runner")
    out, _ = ci(work, environment, status=0)
    assert out == "deadkey: No secrets found.\n"
    assert found(work) == set()


@pytest.mark.parametrize("content", ["{", "[]", '{"pull_request": 1}'])
def test_an_event_that_cannot_be_read(forge: Forge, tmp_path: Path, content: str) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge)
    environment = pull_request(forge, tmp_path / "runner")
    (tmp_path / "runner/event.json").write_text(content)
    done = deadkey("ci", "--quiet", cwd=work, **environment)
    assert done.returncode == (2 if content == "{" else 1)  # with nothing told, all that is checked out is looked at
    assert b"Traceback" not in done.stderr


def test_no_build_system_is_said(repo: GitRepo) -> None:
    done = deadkey("ci", cwd=repo.path)
    assert done.returncode == 2
    assert "GITLAB_CI" in one_line(done.stderr)


def test_the_action_step_by_step(forge: Forge, tmp_path: Path) -> None:
    source = copied(tmp_path / "action")
    work = forge.checkout(tmp_path / "work", forge.merge, "--depth=1")
    environment = pull_request(forge, tmp_path / "runner", XDG_CACHE_HOME=os.environ["XDG_CACHE_HOME"])
    steps = run_action(work, environment, source, options="--min-confidence\nhigh\n", **{"fingerprint-key": "k"})
    assert [(name, status) for name, status, _ in steps] == [
        ("Install deadkey", 0),
        ("Scan", 0),
        ("End as the scan did", 3),
    ], steps
    log = steps[1][2]
    assert "file=late.py,line=1" in log and "shallow checkout" in log
    report = tmp_path / "runner/deadkey-report"
    assert {path for path, _ in found(report)} == {"old.py", "late.py"}
    assert f"sarif={report}/deadkey.sarif" in (tmp_path / "runner/output").read_text()
    (tmp_path / "runner/output").write_text("")
    steps = run_action(work, environment, source, fetch="true")
    assert steps[-1][:2] == ("End as the scan did", 1)
    assert found(report) == {("app.py", forge.first), ("late.py", forge.head)}


# The others -----------------------------------------------------------------------------------------------------------


def merge_request(forge: Forge, **more: str) -> dict[str, str]:
    return {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": forge.base,
        "CI_COMMIT_SHA": forge.head,
        "CI_COMMIT_BEFORE_SHA": "0" * 40,
        "CI_DEFAULT_BRANCH": "main",
    } | more


def gitlab_report(folder: Path) -> Any:
    document = json.loads((folder / "gl-secret-detection-report.json").read_text())
    jsonschema.validate(document, json.loads((REPORTS / "gitlab-secret-detection-15.0.7.json").read_text()))
    return document


def junit(folder: Path) -> Any:
    schema = xmlschema.XMLSchema(str(REPORTS / "junit-10.xsd"))
    return schema.to_dict(str(folder / "deadkey-junit.xml"))["testsuite"][0]


def test_a_merge_request_of_gitlab(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.head)
    git(work, "fetch", "-q", "origin", "main")
    out, err = ci(work, merge_request(forge), status=1)
    assert "GitLab CI: merge request 7" in err
    report = gitlab_report(work)
    places = {(v["location"]["file"], v["location"]["commit"]["sha"]) for v in report["vulnerabilities"]}
    assert places == {("app.py", forge.first), ("late.py", forge.head)}
    assert junit(work)["@failures"] == "2"
    assert "app.py:2:6" in out and "If it is none" in out


def test_a_shallow_merge_request_of_gitlab(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.head, "--depth=1")
    out, _ = ci(work, merge_request(forge), status=3)
    assert "GIT_DEPTH" in out
    report = gitlab_report(work)
    assert report["scan"]["status"] == "failure" and report["scan"]["messages"]
    ci(work, merge_request(forge), "--fetch", status=1)
    assert gitlab_report(work)["scan"]["status"] == "success"


@pytest.mark.parametrize(("before", "paths"), [("first", {"late.py"}), ("zeros", {"app.py", "late.py"})])
def test_pushes_to_gitlab(forge: Forge, tmp_path: Path, before: str, paths: set[str]) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", "-b", "topic", f"file://{forge.path}", str(work))
    old = forge.first if before == "first" else "0" * 40
    environment = merge_request(forge, CI_PIPELINE_SOURCE="push", CI_COMMIT_BRANCH="topic", CI_COMMIT_BEFORE_SHA=old)
    del environment["CI_MERGE_REQUEST_IID"]
    ci(work, environment, status=1)
    assert {v["location"]["file"] for v in gitlab_report(work)["vulnerabilities"]} == paths


def test_the_gitlab_template_runs_what_there_is(forge: Forge, tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / "templates/gitlab-ci.yml").read_text())["deadkey"]
    assert job["script"][-1] == "/tmp/deadkey/bin/deadkey ci $DEADKEY_OPTIONS"
    work = forge.checkout(tmp_path / "work", forge.head)
    git(work, "fetch", "-q", "origin", "main")
    ci(work, merge_request(forge), status=1)
    for name in job["artifacts"]["reports"].values():
        assert (work / name).exists()
    assert job["variables"]["GIT_DEPTH"] == "0"


def test_a_pull_request_of_azure(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge)
    git(work, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
    environment = {
        "TF_BUILD": "True",
        "BUILD_REASON": "PullRequest",
        "BUILD_SOURCEVERSION": forge.merge,
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        "SYSTEM_PULLREQUEST_SOURCECOMMITID": forge.head,
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
    }
    out, err = ci(work, environment, status=1)
    assert "Azure Pipelines: pull request 7" in err
    assert "##vso[task.logissue type=error;sourcepath=app.py;linenumber=2;columnnumber=6;code=github-pat]" in out
    assert found(work) == {("app.py", forge.first), ("late.py", forge.head)}
    # where neither the target nor the source is named by anything here, the merge's own first parent is the base
    git(work, "update-ref", "-d", "refs/remotes/origin/main")
    ci(work, environment, status=1)
    assert found(work) == {("app.py", forge.first), ("late.py", forge.head)}
    assert junit(work)["@failures"] == "2"


def test_a_change_and_a_push_in_jenkins(forge: Forge, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", "-b", "topic", f"file://{forge.path}", str(work))
    jenkins = {"JENKINS_URL": "https://ci.example/", "GIT_COMMIT": forge.head}
    _, err = ci(work, jenkins | {"CHANGE_ID": "7", "CHANGE_TARGET": "main"}, status=1)
    assert "Jenkins: change 7" in err
    assert junit(work)["@failures"] == "2"
    ci(work, jenkins | {"GIT_PREVIOUS_COMMIT": forge.first}, status=1)
    assert junit(work)["@failures"] == "1"
    ci(work, jenkins, status=1)
    assert junit(work)["@failures"] == "3"


def test_branches_are_names_and_never_options(forge: Forge, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", f"file://{forge.path}", str(work))
    for name in ("--output=x", "main --not topic", "$(touch x)", "main^{/x}"):
        ci(work, {"JENKINS_URL": "x", "CHANGE_ID": "1", "CHANGE_TARGET": name}, status=1)
    assert not (work / "x").exists()


def test_a_further_report_and_another_folder(forge: Forge, tmp_path: Path) -> None:
    work = forge.checkout(tmp_path / "work", forge.merge)
    arguments = ("--artifacts", "out/reports", "--format", "json", "--output", "all.json")
    ci(work, pull_request(forge, tmp_path / "runner"), *arguments, status=1)
    assert len(json.loads((work / "all.json").read_text())["findings"]) == 2
    assert found(work / "out/reports") == {("app.py", forge.first), ("late.py", forge.head)}
    assert leak("app").decode() not in (work / "all.json").read_text()
