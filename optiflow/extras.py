"""Optional libraries, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from optiflow.errors import ConfigurationError

__all__ = ["require"]


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import a module of an extra.

    Args:
        module: Its dotted name.
        extra: The extra of this project that brings it.
        what: What needs it, for the message.

    Raises:
        ConfigurationError: It is not installed, or lacks something itself, such as a library of the system.
    """
    try:
        return import_module(module)
    except ImportError as error:
        why = " ".join(str(error).split())
        raise ConfigurationError(
            f"{what} needs the extra {extra!r}: pip install 'optiflow[{extra}]' ({why})"
        ) from error
