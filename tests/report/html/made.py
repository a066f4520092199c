"""A made-up company's repository with leaks of ten years, scanned for real, and what issuers might have said about them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scanner.detect.checksums import CHECKSUMS
from scanner.model import Finding, Outcome, Report, Skip, Verdict
from scanner.report.record import report_from
from scanner.ruleset.generate import generate
from scanner.ruleset.ruleset import Ruleset
from tests.conftest import GitRepo, deadkey

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

ADA, BEN, CLEO = "Ada Lind <ada@acme.example>", "Ben Okoro <ben@acme.example>", "Cléo Roux <cleo@acme.example>"

LEAKS = (
    ("2016-09-12", ADA, "slack-bot-token", "bot/settings.py", 'SLACK = "{}"'),
    ("2017-02-02", BEN, "stripe-secret-key", "billing/config.rb", 'Stripe.api_key = "{}"'),
    ("2017-02-20", BEN, "github-pat", "ci/release.sh", "export GITHUB_TOKEN={}"),
    ("2017-09-14", ADA, "generic-secret", "app/database.yml", "  password: {}"),
    ("2018-06-30", CLEO, "gitlab-pat", "deploy/Jenkinsfile", 'token = "{}"'),
    ("2019-03-03", ADA, "sendgrid-api-key", "mail/sender.py", 'KEY = "{}"'),
    ("2019-03-05", ADA, "npm-token", ".npmrc", "//registry.npmjs.org/:_authToken={}"),
    ("2020-11-11", BEN, "github-pat", "scripts/mirror.sh", "git clone https://x:{}@github.com/acme/app"),
    ("2021-01-20", CLEO, "digitalocean-personal-token", "infra/main.tf", 'token = "{}"'),
    ("2021-01-29", CLEO, "pypi-token", "ci/.pypirc", "password = {}"),
    ("2021-01-30", CLEO, "generic-secret", "infra/values.yaml", "  db_password: {}"),
    ("2021-03-08", BEN, "generic-secret", "ops/backup.sh", 'export RESTIC_PASSWORD="{}"'),
    ("2022-05-17", ADA, "openai-project-key", "search/embed.py", 'client = OpenAI(api_key="{}")'),
    ("2023-08-08", BEN, "github-pat", "ci/nightly.yml", "token: {}"),
    ("2023-08-19", BEN, "shopify-access-token", "shop/env.example", "SHOPIFY_TOKEN={}"),
    ("2024-10-01", CLEO, "github-pat", "tools/changelog.py", 'TOKEN = "{}"'),
    ("2025-04-14", ADA, "anthropic-api-key", "assistant/.env", "ANTHROPIC_API_KEY={}"),
    ("2025-12-03", BEN, "slack-bot-token", "bot/.env", "SLACK_BOT_TOKEN={}"),
    ("2026-02-11", CLEO, "github-pat", "deploy/rollout.py", 'gh = Github("{}")'),
    ("2026-02-26", ADA, "stripe-secret-key", "billing/.env.production", "STRIPE_KEY={}"),
)
"""Day, author, rule, path and line of each commit that leaks."""


def repository(repo: GitRepo, ruleset: Ruleset) -> None:
    """Commit every leak, and take all but the last three out again."""
    for number, (day, author, rule, path, line) in enumerate(LEAKS):
        name, _, email = author[:-1].partition(" <")
        when = f"{day}T10:0{number % 6}:00+00:00"
        who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        repo.write(path, line.format(token(ruleset, rule, str(number))).encode() + b"\n")
        repo.commit(f"work on {path}", **who)
        if number < len(LEAKS) - 3:
            repo.write(path, b"# moved to the vault\n")
            repo.commit("clean up", **who)


def token(ruleset: Ruleset, rule: str, seed: str) -> str:
    if rule == "generic-secret":
        return "".join(random.Random(seed).choices("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=18))
    plan = ruleset.by_id[rule]
    seal = CHECKSUMS[plan.checksum].seal if plan.checksum else None
    return generate(plan.pattern, seed, seal).decode()


def audited(repo: GitRepo) -> Report:
    """What a scan of `repo` finds, with made-up verdicts and plans, and two things that could not be read."""
    done = deadkey("scan", "git", "--format", "json", "--show-secrets", cwd=repo.path)
    assert done.returncode == 1, done.stderr.decode()
    found = report_from(json.loads(done.stdout))
    told = sorted(found.findings, key=lambda f: f.locations[0].date or "", reverse=True)
    findings = tuple(_asked(number, finding) for number, finding in enumerate(told))
    skipped = (Skip("backup/2019.tar.xz", "nested deeper than three levels"), Skip("vendor.zip", "encrypted", 2))
    return replace(found, findings=findings, skipped=skipped)


def _asked(number: int, finding: Finding) -> Finding:
    verdict, outcome = (VERDICTS + 30 * [(Verdict("dead", "the issuer answered 401", checked=CHECKED), None)])[number]
    return replace(finding, verdict=verdict, outcome=outcome)


CHECKED = "2026-03-01T08:59:12Z"


def _live(**identity: Any) -> Verdict:
    return Verdict("live", "the issuer answered 200", identity, CHECKED)


VERDICTS: list[tuple[Verdict | None, Outcome | None]] = [
    (
        _live(account="acme-billing", mode="live", permissions=["charges:write", "refunds:write"]),
        Outcome("planned", "", "no hook applies: it is revoked by hand in the dashboard"),
    ),
    (
        _live(account="cleo-acme", scopes="repo, workflow, admin:org", expires="2026-11-30"),
        Outcome("planned", "rule", effect="The token stops working and cannot be restored; its owner gets a mail."),
    ),
    (_live(team="Acme", user="deploybot"), Outcome("revoked", "rule", "the issuer calls it dead")),
    (Verdict("unknown", "no answer within 10 seconds", checked=CHECKED), None),
    (_live(account="acme-ci", scopes="repo"), Outcome("refused", "rule", "not allowed by the policy")),
    (Verdict("uncheckable", "the shop's address is missing"), None),
]
