"""`deadkey audit`: a repository's history and work tree, asked about, with a plan."""

from __future__ import annotations

from dataclasses import replace

import click

from scanner.cli.common import Common, common, run


@click.command()
@click.argument("repo", default=".", type=click.Path())
@click.option("--no-verify", is_flag=True, help="Ask nobody: only find.")
@common
def command(repo: str, no_verify: bool, shared: Common) -> None:
    """Scan the history and the work tree of REPO, ask the issuers which secrets are live and whose they are, and say what
    would end each one."""
    from scanner.sources.audit import AuditSource
    from scanner.sources.git.run import open_repository

    if not no_verify and shared.revoke is None:
        shared = replace(shared, revoke="plan")
    run(AuditSource.open(open_repository(repo)), shared, "audit")
