"""What the machine decides, from ``OPTIFLOW_*`` environment variables; never an experiment's parameter."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Settings", "get_settings"]


class Settings(BaseSettings):
    """Folders, the store's address and the kill switch."""

    model_config = SettingsConfigDict(env_prefix="OPTIFLOW_", frozen=True, extra="ignore")

    home: Path = Path(".optiflow")
    """Folder for records and logs, relative to the working directory."""

    store: str | None = None
    """SQLAlchemy URL of the store of records; default: ``records.sqlite`` in ``home``."""

    log_dir: Path | None = None
    """Folder for log files; default: ``logs`` in ``home``."""

    disable: Annotated[frozenset[str], NoDecode] = Field(default_factory=frozenset)
    """Kill switch: toggles that stay off whatever the configuration says, comma-separated."""

    strict: bool = False
    """Whether a failure of OptiFlow is raised in the program; otherwise it does without what failed, and says so."""

    @field_validator("disable", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(name.strip() for name in value.split(",") if name.strip())
        return value

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store of records."""
        return self.store or f"sqlite:///{(self.home / 'records.sqlite').absolute()}"

    @property
    def logs(self) -> Path:
        """Folder for log files."""
        return self.log_dir or self.home / "logs"


@cache
def get_settings() -> Settings:
    """Read the environment once."""
    return Settings()
