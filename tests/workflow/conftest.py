"""What the tests of declared workflows share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from optiflow.config.workflow import DeclaredWorkflowConfig


class ScriptedModel(BaseChatModel):
    """Answers what a function makes of the prompt, and remembers what it was asked."""

    script: Callable[[str], str]
    asked: list[str]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *rest: Any, **kwargs: Any) -> ChatResult:
        prompt = messages[-1].text
        self.asked.append(prompt)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.script(prompt)))])


@pytest.fixture
def scripted() -> Callable[[Callable[[str], str]], ScriptedModel]:
    """Makes a model of a function from prompt to answer."""
    return lambda script: ScriptedModel(script=script, asked=[])


def _question(writes: str, *reads: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"instruction": f"Write {writes}.", "writes": writes, "reads": list(reads), **more}


@pytest.fixture
def declaration() -> Callable[..., DeclaredWorkflowConfig]:
    """Makes a small declaration with every kind of node; keywords change its keys."""

    def make(**changes: Any) -> DeclaredWorkflowConfig:
        whole: dict[str, Any] = {
            "kind": "declared",
            "name": "small",
            "input": {"kind": "distributions", "packages": ["rich", "idna"]},
            "lists": {"theme": [{"name": "one", "title": "First"}, {"name": "two", "title": "Second"}]},
            "nodes": [
                {
                    "name": "reader_{package}",
                    "kind": "prompts",
                    "for_each": "package",
                    "prompts": [
                        _question("note_{package}", {"tag": "doc", "document": "{package}", "tokens": 40}),
                    ],
                },
                {
                    "name": "editor",
                    "kind": "prompts",
                    "retry": {"max_attempts": 3, "initial_interval_s": 0.0},
                    "prompts": [
                        _question(
                            "part_{theme}",
                            {
                                "tag": "note",
                                "for_each": "package",
                                "state": "note_{package}",
                                "name": "{theme.title}: {package}",
                                "tokens": 20,
                            },
                            {"tag": "remark", "state": "remark", "tokens": 20, "optional": True},
                            for_each="theme",
                        )
                    ],
                },
                {
                    "name": "binder",
                    "kind": "document",
                    "writes": "book",
                    "parts": [
                        {"text": "# Book"},
                        {"for_each": "theme", "text": "## {theme.title}", "state": "part_{theme}"},
                    ],
                },
                {
                    "name": "critic",
                    "kind": "prompts",
                    "prompts": [_question("remark", {"tag": "book", "state": "book", "tokens": 90})],
                },
                {"name": "again", "kind": "router", "reads": "remark", "contains": "no", "to": "editor", "at_most": 2},
            ],
            "output": "book",
        }
        return DeclaredWorkflowConfig.model_validate(whole | changes)

    return make
