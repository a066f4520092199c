"""The verbs, each in a module that is imported only when it is called."""

from __future__ import annotations

from importlib import import_module

import click

VERBS = {
    "scan": "Look for secrets in history, diffs, files, env files, logs or standard input.",
    "audit": "Scan a repository's history and work tree, ask about every secret, and say what to do.",
    "verify": "Ask an issuer whether one token, read from standard input, is live.",
    "revoke": "Revoke live tokens: those of a findings file, or one read from standard input.",
    "drill": "Leak throw-away tokens, find them, and prove them dead: the fire drill.",
    "journal": "Show or verify the journal of revocations.",
    "rules": "List, show and check rules.",
    "baseline": "Write down known secrets, so that only new ones are reported.",
    "install-hook": "Let git refuse commits and pushes that hold secrets.",
    "ci": "Scan what a build is about, and report it as its build system wants it.",
    "import": "Carry over what other scanners were told: rules, allowlists and baselines.",
    "report": "Render saved findings in another format.",
    "redact": "Mask the secrets in what is piped through.",
    "completion": "Print what makes a shell complete verbs, options and rules.",
    "man": "Write the manual pages.",
}

MODULES = {"import": "importing"}
"""Verbs whose module cannot have their name."""


class Verbs(click.Group):
    """Lists the verbs without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = import_module(f"scanner.cli.{MODULES.get(cmd_name, cmd_name).replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, 1)
            ctx.fail(f"No such command '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from scanner.cli.common import version

        click.echo(f"deadkey {version()}")
        ctx.exit()


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def command() -> None:
    """Find leaked tokens in git history, diffs, env files and logs, ask whether they are live, and kill the live ones.

    Exit status: 0 nothing found, 1 findings, 2 bad usage or configuration, 3 the scan is incomplete.
    """
