"""Where the configuration files are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["conf_dir", "options_of"]


def conf_dir() -> Path:
    """The folder of configuration files: inside the wheel, or the repository's own."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parent / "conf"


def options_of(group: str) -> list[str]:
    """Names of the options of one configuration group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
