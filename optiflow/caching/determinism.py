"""Whether a model is meant to give the same answer to the same request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["why_random"]


def why_random(model: Any, request: Mapping[str, Any] | None = None) -> str | None:
    """Why two equal requests may be meant to have two answers, or None where they are not.

    Args:
        model: A language model.
        request: Arguments of one request, or bound ones; they win over the model's own.
    """
    from optiflow.models.offline import OfflineChatModel

    if isinstance(model, OfflineChatModel):
        return None
    own = getattr(model, "model_kwargs", None)
    settings = {"temperature": getattr(model, "temperature", None), "seed": getattr(model, "seed", None)}
    settings |= own if isinstance(own, Mapping) else {}
    settings |= {name: value for name, value in (request or {}).items() if name in settings}
    if settings["seed"] is not None or settings["temperature"] == 0:
        return None
    if settings["temperature"] is None:
        return f"the model {type(model).__name__} has no temperature set"
    return f"the model {type(model).__name__} has temperature {settings['temperature']:g} and no seed"
