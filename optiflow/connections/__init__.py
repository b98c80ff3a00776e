"""Connections that one client object leaves idle, used by the next; and warm-up before the first run."""

from optiflow.connections.sharing import share_connections
from optiflow.connections.usage import Usage

__all__ = ["Usage", "share_connections"]
