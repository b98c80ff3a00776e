"""Which toggles there are, and what the configuration makes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from optiflow.config.files import conf_dir, options_of
from optiflow.config.messages import describe
from optiflow.errors import ConfigurationError, nearest_name
from optiflow.optimizations.base import Optimization

__all__ = ["ENTRY_POINT_GROUP", "available", "preset", "resolve"]

ENTRY_POINT_GROUP = "optiflow.optimizations"
"""Entry points of this group are toggles of third parties: name = ``module:Class``."""

_BUILT_IN = {
    "log_level": "log_level:LogLevel",
    "monitor": "monitor:Monitor",
    "clients": "clients:Clients",
    "limits": "limits:Limits",
    "async": "async_:Async",
    "cache": "cache:Cache",
    "durability": "durability:Durability",
    "dispatch": "dispatch:Dispatch",
    "speculate": "speculate:Speculate",
    "parallel": "parallel:Parallel",
}
"""The project's own, in the order in which they rewrite a plan: what changes a node's work first, what may take its
place next, and the schedule last, over what the others left."""


@cache
def available() -> Mapping[str, type[Optimization[Any]]]:
    """Every toggle by name, the project's own first, in the order of application.

    Raises:
        ConfigurationError: A third party's toggle does not load or takes a name that is already used.
    """
    toggles: dict[str, type[Optimization[Any]]] = {}
    for name, place in _BUILT_IN.items():
        module, attribute = place.split(":")
        toggles[name] = getattr(import_module(f"optiflow.optimizations.{module}"), attribute)
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        source = entry.dist.name if entry.dist else entry.value
        if entry.name in toggles:
            raise ConfigurationError(f"toggle {entry.name!r} of {source!r} takes a name that is already used")
        try:
            toggle = entry.load()
        except Exception as error:
            raise ConfigurationError(f"toggle {entry.name!r} of {source!r} does not load: {error!r}") from error
        if not (isinstance(toggle, type) and issubclass(toggle, Optimization)):
            raise ConfigurationError(f"toggle {entry.name!r} of {source!r} is no Optimization: {toggle!r}")
        toggles[entry.name] = toggle
    return toggles


def resolve(
    opt: Mapping[str, Mapping[str, Any]], disabled: Collection[str] = frozenset()
) -> tuple[Optimization[Any], ...]:
    """Make the toggles that a configuration turns on.

    Args:
        opt: Options of each toggle by name, as configured.
        disabled: Names that the kill switch holds off.

    Returns:
        The enabled toggles in the order of application.

    Raises:
        ConfigurationError: An unknown toggle, or options that do not fit.
    """
    toggles = available()
    for name in opt:
        if name not in toggles:
            raise ConfigurationError(f"opt.{name}: no such toggle; {nearest_name(name, toggles)}")
    for name in disabled:
        if name not in toggles:
            raise ConfigurationError(f"OPTIFLOW_DISABLE: {name!r} is no toggle; {nearest_name(name, toggles)}")
    enabled = []
    for name, toggle in toggles.items():
        if name not in opt:
            continue
        try:
            options = toggle.options_model.model_validate(dict(opt[name]))
        except ValidationError as error:
            raise ConfigurationError(describe(error, f"opt.{name}", toggle.options_model)) from error
        if options.enabled and name not in disabled:
            enabled.append(toggle(options))
    return tuple(enabled)


@cache
def preset(name: str) -> Mapping[str, Mapping[str, Any]]:
    """The options of each toggle that ``+opt=NAME`` would turn on, read without Hydra.

    Args:
        name: An option of the group ``opt`` (``all``, ``safe``, ``none`` or a toggle), or a third party's toggle.

    Raises:
        ConfigurationError: There is neither such an option nor such a toggle.
    """
    path = conf_dir() / "opt" / f"{name}.yaml"
    if not path.is_file():
        if name in available():
            return {name: {}}
        known = {*options_of("opt"), *available()}
        raise ConfigurationError(f"opt={name}: no such option; {nearest_name(name, known)}")
    import yaml

    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    toggles: dict[str, Mapping[str, Any]] = {}
    for part in content.pop("defaults", ()):
        toggles |= preset(part)
    return toggles | {toggle: {**toggles.get(toggle, {}), **options} for toggle, options in content.items()}
