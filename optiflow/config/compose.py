"""From command-line overrides through Hydra to one validated `RunConfig`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from optiflow.config.files import conf_dir, options_of
from optiflow.config.messages import describe, field_names
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError, nearest_name

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["compose", "composition_errors", "to_configuration_error", "validate"]


def validate(config: DictConfig | Mapping[str, Any]) -> RunConfig:
    """Turn a composed configuration into its frozen model; the only place where this happens.

    Raises:
        ConfigurationError: A key or value is wrong; the text names it.
    """
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    container: Any = config
    if isinstance(config, DictConfig):
        try:
            container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise to_configuration_error(error) from error
    try:
        return RunConfig.model_validate(container)
    except ValidationError as error:
        raise ConfigurationError(describe(error, "", RunConfig)) from error


def compose(
    overrides: Sequence[str] = (), config_dir: Path | None = None, search_path: Sequence[Path] = ()
) -> RunConfig:
    """Compose and validate the configuration of one run.

    Args:
        overrides: Hydra overrides, such as ``["+opt=all", "clock=real"]``.
        config_dir: The folder of configuration files; default: the project's own.
        search_path: Further folders of configuration files, as ``--config-dir`` names them.

    Raises:
        ConfigurationError: An override, a key or a value is wrong.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    if search_path:
        folders = ",".join(f"'{_escaped(path)}'" for path in search_path)
        overrides = [*overrides, f"hydra.searchpath=[{folders}]"]
    # Hydra's state is one a process: whatever an outer application initialized is put back afterwards.
    singleton = GlobalHydra.instance()
    outer, singleton.hydra = singleton.hydra, None
    try:
        with hydra.initialize_config_dir(str(config_dir or conf_dir()), version_base="1.3", job_name="optiflow"):
            return validate(hydra.compose("config", overrides=list(overrides)))
    except composition_errors() as error:
        raise to_configuration_error(error) from error
    finally:
        singleton.hydra = outer


def _escaped(path: Path) -> str:
    """The address of a folder as it stands between single quotes in an override."""
    return f"file://{path.absolute()}".replace("'", "\\'")


def composition_errors() -> tuple[type[Exception], ...]:
    """What Hydra raises where it can't compose; YAML errors pass through it, some overrides end in a ValueError."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    return HydraException, OmegaConfBaseException, YAMLError, ValueError


def to_configuration_error(error: Exception) -> ConfigurationError:
    """Put what Hydra or OmegaConf says in one line, with the nearest right name."""
    text = _with_cause(error)
    if found := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text):
        group, option = found.groups()
        listed = text.partition("Available options in")[2].partition("Config search path")[0]
        options = re.findall(r"^\t(\S+)$", listed, flags=re.MULTILINE) or options_of(group)
        return ConfigurationError(f"{group}={option}: no such option; {nearest_name(option, options)}")
    if found := re.search(r"Could not override '(opt\.(\w+)[^']*)'", text):
        key, toggle = found.groups()
        if f"Key '{toggle}' is not in struct" not in text:
            return ConfigurationError(f"{key}: no such option; {nearest_name(key.split('.')[-1], _options_of(toggle))}")
        if toggle in options_of("opt"):
            return ConfigurationError(f"{key}: the toggle is not on; add it first with +opt={toggle}")
        return ConfigurationError(f"{key}: no such toggle; {nearest_name(toggle, options_of('opt'))}")
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found.group(1)
        root = key.split(".")[0]
        if "No match in the defaults list" in text or root not in RunConfig.model_fields:
            groups = [path.name for path in conf_dir().iterdir() if path.is_dir()]
            known = sorted({*groups, *RunConfig.model_fields})
            if key in known:
                return ConfigurationError(f"{key}: not in the defaults; add it with +{key}=...")
            return ConfigurationError(f"{key}: no such key or group; {nearest_name(key, known)}")
        return ConfigurationError(f"{key}: no such key in the configuration{_nearest_key(key)}")
    if found := re.search(r"Missing mandatory value: .*?full_key: (\S+)", text, flags=re.DOTALL):
        return ConfigurationError(f"{found.group(1)}: missing; give it with {found.group(1)}=...")
    return ConfigurationError(" ".join(text.partition("See https://")[0].split()))


def _options_of(toggle: str) -> list[str]:
    """The options that a toggle's own file lists."""
    path = conf_dir() / "opt" / f"{toggle}.yaml"
    if not path.is_file():
        return []
    import yaml

    return list(yaml.safe_load(path.read_text(encoding="utf-8"))[toggle])


def _nearest_key(key: str) -> str:
    """The nearest key beside a dotted one, from the models."""
    *parents, last = key.split(".")
    names = field_names(RunConfig, parents)
    return f"; {nearest_name(last, names)}" if names else ""


def _with_cause(error: BaseException) -> str:
    """The text of an error and of the one underneath, which names the key, or the line of a YAML file."""
    cause = error.__cause__ or error.__context__
    return str(error) if cause is None else f"{error}: {cause}"
