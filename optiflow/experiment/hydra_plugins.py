"""Makes our sweeper and launcher known to Hydra, which takes plugins from a package of one name only."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from hydra.core.plugins import Plugins

from optiflow.experiment.sweeper import ExperimentSweeper
from optiflow.launchers.ray import RayLauncher

__all__ = ["register"]

_PACKAGE = "hydra_plugins"
_ALIAS = f"{_PACKAGE}.optiflow"


def register() -> None:
    """Give the classes the names by which the configuration calls them, ``hydra_plugins.optiflow.CLASS``."""
    with suppress(ModuleNotFoundError):
        import_module(_PACKAGE)
    sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    alias = sys.modules.setdefault(_ALIAS, ModuleType(_ALIAS))
    for plugin in (ExperimentSweeper, RayLauncher):
        plugin.__module__ = _ALIAS
        setattr(alias, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
