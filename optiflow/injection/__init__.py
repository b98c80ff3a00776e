"""Optimizing every graph of a program that knows nothing of OptiFlow: what ``optiflow exec`` starts."""

from pathlib import Path

__all__ = ["SITE"]

SITE = Path(__file__).resolve().parent / "site"
"""The folder that goes first on ``PYTHONPATH``: Python runs its ``sitecustomize`` at start."""
