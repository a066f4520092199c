"""`deadkey completion`: what a shell has to read to complete this program's words."""

from __future__ import annotations

import click

VARIABLE = "_DEADKEY_COMPLETE"
"""Asks the program for completions, as click has it: the upper-case name between underscores."""


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print what makes SHELL complete verbs, options, formats and rule ids.

    \b
    bash: deadkey completion bash > ~/.local/share/bash-completion/completions/deadkey
    zsh:  deadkey completion zsh > a file _deadkey in a folder of your $fpath
    fish: deadkey completion fish > ~/.config/fish/completions/deadkey.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from scanner.cli.main import command as deadkey

    kind = get_completion_class(shell)
    assert kind is not None
    # click's own for bash starts a bash to ask for its version; that is not needed to print a text
    click.echo(ShellComplete.source(kind(deadkey, {}, "deadkey", VARIABLE)), nl=False)
