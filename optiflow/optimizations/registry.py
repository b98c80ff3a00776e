"""Which toggles there are, and what the configuration makes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from pydantic import ValidationError

from optiflow.config.files import conf_dir, options_of
from optiflow.config.messages import describe
from optiflow.errors import ConfigurationError, ToggleFailedError, nearest_name
from optiflow.optimizations.base import Optimization, Options
from optiflow.optimizations.failing import Broken, described

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
    opt: Mapping[str, Mapping[str, Any]], disabled: Collection[str] = frozenset(), *, strict: bool = False
) -> tuple[Optimization[Any], ...]:
    """Make the toggles that a configuration turns on.

    Args:
        opt: Options of each toggle by name, as configured.
        disabled: Names that the kill switch holds off.
        strict: Whether a toggle that can't be made is raised; otherwise one stands for it that is refused.

    Returns:
        The enabled toggles in the order of application.

    Raises:
        ConfigurationError: An unknown toggle, or options that do not fit.
        ToggleFailedError: A toggle can't be made, and ``strict`` is set.
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
            options = _options(toggle, opt[name])
            if options.enabled and name not in disabled:
                enabled.append(toggle(options))
        except ValidationError as error:
            raise ConfigurationError(describe(error, f"opt.{name}", toggle.options_model)) from error
        except ConfigurationError:
            raise
        except Exception as error:
            if strict:
                raise ToggleFailedError(f"toggle {name!r} can't be made: {described(error)}") from error
            enabled.append(Broken(name, error))
    return tuple(enabled)


def _options(toggle: type[Optimization[Any]], given: Mapping[str, Any]) -> Options:
    """The options of a toggle; the same object for equal wishes, as a program may compile a graph for each request."""
    if type(given) is _Preset:
        return given.validated(toggle.options_model)
    if not _is_plain(given):
        return toggle.options_model.model_validate(dict(given))
    return _validated(toggle.options_model, _Given(repr(given), given))


class _Preset(dict[str, Any]):
    """A toggle's options as a preset has them, which nobody changes."""

    def validated(self, model: type[Options]) -> Options:
        """The options; checked once."""
        found = self._checked.get(model)
        if found is None:
            found = self._checked[model] = model.model_validate(dict(self))
        return found

    @cached_property
    def _checked(self) -> dict[type[Options], Options]:
        return {}


@dataclass(frozen=True, slots=True)
class _Given:
    """What a configuration gives for a toggle, known by how it is written."""

    written: str
    options: Mapping[str, Any] = field(compare=False)


@lru_cache(maxsize=256)
def _validated(model: type[Options], given: _Given) -> Options:
    return model.model_validate(dict(given.options))


def _is_plain(value: object) -> bool:
    """Whether a value is all that is written of it."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    if type(value) in (list, tuple):
        return all(map(_is_plain, cast("Sequence[object]", value)))
    return value is None or type(value) in (str, int, float, bool)


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
            return {name: _Preset()}
        known = {*options_of("opt"), *available()}
        raise ConfigurationError(f"opt={name}: no such option; {nearest_name(name, known)}")
    import yaml

    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    toggles: dict[str, Mapping[str, Any]] = {}
    for part in content.pop("defaults", ()):
        toggles |= preset(part)
    return toggles | {toggle: _Preset({**toggles.get(toggle, {}), **options}) for toggle, options in content.items()}
