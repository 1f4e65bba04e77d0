"""``goldroot completion``: what a shell reads so that the Tab key completes commands, options and names."""

from __future__ import annotations

import click

from goldroot.cli.command import Command, emit, json_option
from goldroot.cli.terminal import put_exact

#: The variable by which a shell asks goldroot for completions; click looks at it before anything else.
VARIABLE = "_GOLDROOT_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print what SHELL reads so that the Tab key completes commands, options, paths, and names of clones, images and versions.

    \b
    Examples:
      goldroot completion bash > ~/.local/share/bash-completion/completions/goldroot
      goldroot completion zsh > ~/.zfunc/_goldroot
      goldroot completion fish > ~/.config/fish/completions/goldroot.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # every choice has one
    asked = found(click.get_current_context().find_root().command, {}, "goldroot", VARIABLE)
    # Not source(): for bash that starts a bash to ask for its version.
    script = asked.source_template % asked.source_vars()
    emit(as_json, {"shell": shell, "script": script}, lambda: put_exact(script))
