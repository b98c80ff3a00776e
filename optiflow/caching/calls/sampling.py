"""Whether a request is meant to have one answer, judged by the settings that are in effect for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from optiflow.plan.inference.classes import is_users
from optiflow.plan.inference.static import class_attribute

__all__ = ["has_own", "is_deterministic"]

_NEVER_SAMPLES = "optiflow_never_samples"
"""Attribute of a class of models that do not sample, whatever their settings."""

_REPLACING = ("options", "generation_config", "generationConfig", "inference_config", "inferenceConfig", "parameters")
"""Arguments that classes of several providers take in place of their attributes."""


def is_deterministic(model: BaseChatModel, request: Mapping[str, Any]) -> bool:
    """Whether temperature 0 or a seed is in effect; False where it can't be known.

    Args:
        model: Who is asked.
        request: Arguments of the request, bound ones among them; they win over the model's own.
    """
    if class_attribute(type(model), _NEVER_SAMPLES) is True:
        return True
    return _is_fixed(_settings(model, request)) and _payload_agrees(model, request)


def _settings(model: BaseChatModel, request: Mapping[str, Any]) -> dict[str, Any]:
    """Temperature and seed; what comes later wins."""
    if hasattr(model, "temperature") or hasattr(model, "seed"):
        own = {"temperature": getattr(model, "temperature", None), "seed": getattr(model, "seed", None)}
    else:
        own = {} if has_own(model, "_identifying_params") else _of(model._identifying_params)
    bound = _mapping(getattr(model, "model_kwargs", None))
    settings = own | _of(bound) | _of(request)
    for name in _REPLACING:
        if name in request:
            given = _mapping(request[name])
            settings = {"temperature": given.get("temperature"), "seed": given.get("seed")}
    body = request.get("extra_body", bound.get("extra_body", getattr(model, "extra_body", None)))
    return settings | _of(_mapping(body))


def has_own(model: BaseChatModel, name: str) -> bool:
    """Whether a class has code of the application's under a name; it is run as often as without OptiFlow, no more."""
    found = class_attribute(type(model), name)
    return is_users(getattr(found, "fget", found))


def _payload_agrees(model: BaseChatModel, request: Mapping[str, Any]) -> bool:
    """Whether a class that shows what it would send sends it: some drop a temperature that a model does not take."""
    payload_of = getattr(model, "_get_request_payload", None)
    if payload_of is None or has_own(model, "_get_request_payload"):
        return True
    try:
        payload = payload_of([HumanMessage("")], stop=None, **request)
    except Exception:  # noqa: BLE001 - the request itself will raise it, to its own caller
        return False
    return _is_fixed(_of(payload) | _of(_mapping(payload.get("extra_body"))))


def _is_fixed(settings: Mapping[str, Any]) -> bool:
    return settings.get("seed") is not None or settings.get("temperature") == 0


def _of(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("temperature", "seed") if name in settings}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
