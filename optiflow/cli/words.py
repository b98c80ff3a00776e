"""A command's own words: options with their values, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optiflow.errors import ConfigurationError, nearest_name

__all__ = ["options_and_rest"]


def options_and_rest(
    argv: Sequence[str], defaults: Mapping[str, str], *, command: str, usage: str
) -> tuple[dict[str, str], list[str]]:
    """Take the options out of the words of a command.

    Args:
        argv: The words; an option is ``--name VALUE`` or ``--name=VALUE``.
        defaults: Every option that the command knows, with the value that it has unless given.
        command: The command's name, for messages.
        usage: Its usage, for messages.

    Returns:
        The value of each option, and the other words in their order.

    Raises:
        ConfigurationError: An option that is not known, or one without its value.
    """
    options, others, words = dict(defaults), [], list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in options:
            if not equals and not words:
                raise ConfigurationError(f"{command}: {name} needs a value; {usage}")
            options[name] = value if equals else words.pop(0)
        elif word.startswith("--"):
            raise ConfigurationError(f"{command}: no such option: {name}; {nearest_name(name, options)}; {usage}")
        else:
            others.append(word)
    return options, others
