"""What is run, on which input: the declaration of a workflow.

Names and texts of a declaration may hold placeholders. ``for_each: LIST`` repeats a node, a prompt, a piece of
material or a part of a document for every entry of a list and binds ``{LIST}`` to the entry's name and
``{LIST.field}`` to its fields. The lists are those under ``lists`` and the input's own: ``package`` for
distributions, ``report`` for a folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from optiflow.config.checkpointer import CheckpointerAddress
from optiflow.config.graph import GraphWorkflowConfig

__all__ = [
    "DeclaredWorkflowConfig",
    "DistributionsInput",
    "DocumentNode",
    "FolderInput",
    "InputConfig",
    "MaterialConfig",
    "NodeConfig",
    "PartConfig",
    "PromptConfig",
    "PromptsNode",
    "RetryConfig",
    "RouterNode",
    "WorkflowConfig",
    "canonical_name",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_name(package: str) -> str:
    """The normalized name of a distribution (PyPA name normalization)."""
    return re.sub(r"[-_.]+", "-", package.strip()).lower()


class _Input(_Frozen):
    item: ClassVar[str]

    max_chars: int = Field(default=200_000, ge=1)
    """Characters read of one document; what a longer one has beyond is left out, and logged."""


class DistributionsInput(_Input):
    """Installed Python distributions, read through ``importlib.metadata``."""

    item: ClassVar[str] = "package"

    kind: Literal["distributions"]
    """Which kind of input this is."""

    packages: tuple[str, ...] = Field(min_length=1)
    """Names of installed distributions, in the order of the brief."""

    @field_validator("packages")
    @classmethod
    def _canonical(cls, packages: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(map(canonical_name, packages))
        for given, name in zip(packages, names, strict=True):
            if not name:
                raise ValueError("a package's name is empty")
            if names.count(name) > 1:
                raise ValueError(f"package {given!r} is given {names.count(name)} times; once is enough")
        return names


class FolderInput(_Input):
    """A folder of text reports, one file each."""

    item: ClassVar[str] = "report"

    kind: Literal["folder"]
    """Which kind of input this is."""

    folder: Path
    """The folder; its subfolders are not read."""

    patterns: tuple[str, ...] = Field(default=("*.txt", "*.md"), min_length=1)
    """Which files are reports."""

    reference: Path | None = None
    """A summary by somebody else to compare with; inside the folder it is not taken for a report."""


InputConfig = Annotated[DistributionsInput | FolderInput, Field(discriminator="kind")]
"""Where the documents come from."""


class RetryConfig(_Frozen):
    """How often a node is tried when the provider fails; configuration errors are never tried again."""

    max_attempts: int = Field(default=3, ge=1)
    """Attempts in all, the first one included."""

    initial_interval_s: float = Field(default=0.5, ge=0)
    """Seconds before the second attempt."""

    backoff_factor: float = Field(default=2.0, ge=1)
    """By how much each further wait is longer."""

    max_interval_s: float = Field(default=30.0, ge=0)
    """The longest wait, in seconds."""


class MaterialConfig(_Frozen):
    """One piece of material of a prompt: an excerpt of an input document or of a state key."""

    tag: str = Field(pattern=r"^[a-z]\w*$")
    """Tag around the material in the prompt, by which the instruction may refer to it."""

    for_each: str | None = None
    """List for whose every entry there is such a piece."""

    document: str | None = None
    """Name of the input document that is excerpted; exactly one of this and ``state``."""

    sections: tuple[str, ...] = ()
    """Sections of the document, in order; empty: all."""

    state: str | None = None
    """State key that is read."""

    name: str | None = None
    """What the prompt calls the piece; default: the document's or the key's name."""

    tokens: int = Field(ge=1)
    """The most tokens of it that go into the prompt."""

    optional: bool = False
    """Whether the state key may still be unwritten, as on the first pass of a loop."""

    @model_validator(mode="after")
    def _one_source(self) -> MaterialConfig:
        if (self.document is None) == (self.state is None):
            raise ValueError("material needs exactly one of 'document' and 'state'")
        if self.sections and self.document is None:
            raise ValueError("only a document has sections")
        return self


class PromptConfig(_Frozen):
    """One question to the model."""

    for_each: str | None = None
    """List for whose every entry the question is asked."""

    instruction: str = Field(min_length=1)
    """What is asked."""

    reads: tuple[MaterialConfig, ...]
    """The material that it is asked about."""

    writes: str = Field(min_length=1)
    """State key for the answer."""


class _Node(_Frozen):
    name: str = Field(min_length=1, pattern=r"^[^:|]+$")
    """The node's name."""

    for_each: str | None = None
    """List for whose every entry there is such a node."""

    retry: RetryConfig | None = None
    """Retry policy; None: one attempt."""


class PromptsNode(_Node):
    """A node that asks the model one or more questions, none of which needs another's answer."""

    kind: Literal["prompts"]
    """Which kind of node this is."""

    prompts: tuple[PromptConfig, ...] = Field(min_length=1)
    """The questions."""


class PartConfig(_Frozen):
    """One part of a document that is put together from the state."""

    for_each: str | None = None
    """List for whose every entry there is such a part."""

    text: str = ""
    """Text that stands before the state's."""

    state: str | None = None
    """State key whose text follows; None: only ``text``."""


class DocumentNode(_Node):
    """A node that puts a document together, without asking a model."""

    kind: Literal["document"]
    """Which kind of node this is."""

    parts: tuple[PartConfig, ...] = Field(min_length=1)
    """What it consists of, separated by blank lines."""

    writes: str = Field(min_length=1)
    """State key for the document."""


class RouterNode(_Node):
    """A node that sends the run back, a bounded number of times, or on."""

    kind: Literal["router"]
    """Which kind of node this is."""

    reads: str = Field(min_length=1)
    """State key that decides."""

    contains: str = Field(min_length=1)
    """Text in it that sends the run to ``to``."""

    to: str
    """Node for that case."""

    at_most: int = Field(default=1, ge=0)
    """How often it sends there in one run."""

    otherwise: str = "END"
    """Node for every other case."""


NodeConfig = Annotated[PromptsNode | DocumentNode | RouterNode, Field(discriminator="kind")]
"""A node, by its kind."""


class DeclaredWorkflowConfig(_Frozen):
    """A workflow declared in configuration alone."""

    kind: Literal["declared"]
    """Which kind of workflow this is."""

    name: str = Field(min_length=1)
    """The workflow's name, in records and reports."""

    input: InputConfig
    """Where its documents come from."""

    lists: dict[str, tuple[dict[str, str], ...]] = Field(default_factory=dict)
    """What ``for_each`` may go over, besides the input; each entry has a ``name``."""

    nodes: tuple[NodeConfig, ...] = Field(min_length=1)
    """The nodes."""

    edges: tuple[tuple[str, str], ...] = ()
    """Pairs of node names as declared, or START and END; empty: one node after another, in the order of ``nodes``."""

    output: str = Field(min_length=1)
    """State key of the result."""

    checkpointer: CheckpointerAddress = "memory"
    """Where LangGraph keeps its checkpoints: ``memory``, ``none``, or a URL of SQLite, PostgreSQL or Redis."""

    @model_validator(mode="after")
    def _consistent_lists(self) -> DeclaredWorkflowConfig:
        for list_name, entries in self.lists.items():
            if list_name == self.input.item:
                raise ValueError(f"lists.{list_name} has the name of the input's own list; choose another")
            names = [entry.get("name") for entry in entries]
            for index, name in enumerate(names):
                if not name:
                    raise ValueError(f"lists.{list_name}.{index} has no name")
                if names.count(name) > 1:
                    raise ValueError(f"lists.{list_name} has the name {name!r} {names.count(name)} times")
        return self


WorkflowConfig: TypeAlias = Annotated[DeclaredWorkflowConfig | GraphWorkflowConfig, Field(discriminator="kind")]
"""Any workflow, told apart by ``kind``."""
