"""Chat models: the offline one, and real providers through LangChain."""

from optiflow.models.load import load_chat_model

__all__ = ["load_chat_model"]
