"""Every case: importing this imports every module of cases, so that a new one joins by being there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from conformance_cases.case import CASES

__all__ = ["CASES"]

for _path in sorted(Path(__file__).parent.glob("*.py")):
    if _path != Path(__file__):
        import_module(f"conformance_cases.{_path.stem}")
