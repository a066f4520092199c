"""`deadkey install-hook`: hooks of git itself, without a framework."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli.hook_script import VERBS, folder, put, script, take_out


@click.command()
@click.argument("repo", default=".", type=click.Path())
@click.option(
    "--hook",
    "hooks",
    multiple=True,
    type=click.Choice(tuple(VERBS)),
    help="Which one; may be repeated. Without it: pre-commit.",
)
@click.option("--uninstall", is_flag=True, help="Take it out, and put back what was there before.")
@click.option("--shared", is_flag=True, help="Also where core.hooksPath is a folder outside the repository.")
@click.option("--verify", is_flag=True, help="Let the hook ask the issuers which of the secrets are live.")
@click.option("--baseline", type=click.Path(exists=True), help="Let the hook leave out the known secrets of this file.")
@click.option("--config", type=click.Path(exists=True), help="Let the hook read this configuration.")
def command(
    repo: str,
    hooks: tuple[str, ...],
    uninstall: bool,
    shared: bool,
    verify: bool,
    baseline: str | None,
    config: str | None,
) -> None:
    """Let git refuse what holds secrets: a commit (pre-commit), its message (commit-msg), a push (pre-push), or on the
    server whatever is pushed (pre-receive). A hook that is there already is kept, and runs first."""
    from scanner.report.text import inert
    from scanner.sources.git.run import open_repository

    options = ["--verify"] if verify else []
    for name, path in (("--baseline", baseline), ("--config", config)):
        if path:
            options += [name, str(Path(path).absolute())]
    where = folder(open_repository(repo), shared)
    for hook in hooks or ("pre-commit",):
        said = take_out(where, hook) if uninstall else put(where, hook, script(hook, options))
        click.echo(inert(said))
