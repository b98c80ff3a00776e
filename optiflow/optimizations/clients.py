"""Toggle ``clients``: connections shared between client objects, and warm-up before the first run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.optimizations.base import Around, Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Clients", "ClientsOptions"]

PACKAGES = (
    "anthropic", "boto3", "cohere", "google.genai", "groq", "huggingface_hub", "langchain", "langchain_anthropic",
    "langchain_aws", "langchain_cohere", "langchain_deepseek", "langchain_fireworks", "langchain_google_genai",
    "langchain_google_vertexai", "langchain_groq", "langchain_huggingface", "langchain_mistralai", "langchain_ollama",
    "langchain_openai", "langchain_perplexity", "langchain_together", "langchain_xai", "mistralai", "ollama", "openai",
    "tiktoken",
)  # fmt: skip
"""SDKs of model providers: importing them does nothing else, and what they take from the environment they take when a
client is made."""


class ClientsOptions(Options):
    """Options of ``clients``."""

    share: bool = True
    """Whether clients of httpx, httpx2 and requests that are made in a run use what others of it left idle."""

    keep_alive_s: float = Field(default=4.0, gt=0, le=300)
    """Seconds that a connection may have been idle before another client uses it, and never longer than its own
    client's limit (httpx: 5 s). Common servers close theirs after 5 s, and a request must not meet that moment."""

    across_runs: bool = False
    """Whether connections that are idle at the end of the last run stay open for the next one; otherwise they go back
    to clients that are still open, or are closed."""

    warm_up: bool = True
    """Whether the packages that the nodes import when they run are imported when the graph is compiled."""

    warm_up_packages: tuple[str, ...] = PACKAGES
    """What may be imported ahead, each with the modules within it."""

    fewer_collections: bool = True
    """Whether garbage is collected less often during warm-up and the first run, where most of what is made stays."""


class Clients(Optimization[ClientsOptions]):
    """Pays for a handshake and an import once, and before it is waited for."""

    name: ClassVar[str] = "clients"
    options_model: ClassVar[type[Options]] = ClientsOptions

    def __init__(self, options: ClientsOptions) -> None:
        from optiflow.connections.warm_up import Warmth

        super().__init__(options)
        self._warmth = Warmth()
        self._is_cold = True

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Leave the graph as it is; when it is compiled, what its nodes import in their functions is imported."""
        return self._warmed(plan.decide(*self._decisions()))

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Share connections during the run."""
        from optiflow.connections import share_connections
        from optiflow.connections.warm_up import fewer_collections

        # The first run is the one that imports and builds; two that start together both count as cold.
        cold, self._is_cold = self._is_cold and self.options.fewer_collections, False
        with fewer_collections() if cold else nullcontext():
            if not self.options.share:
                yield self._warm_statistics
                return
            with share_connections(self.options.keep_alive_s, across_runs=self.options.across_runs) as usage:
                yield lambda: {
                    "clients_built": usage.clients_built,
                    "pools": len(usage.pools),
                    "handshakes_saved": usage.handshakes_saved,
                    **self._warm_statistics(),
                }

    def around(self) -> Around | None:
        """The same as `attach`, once the first run has been."""
        return None if self._is_cold and self.options.fewer_collections else self._around

    @cached_property
    def _around(self) -> Around:
        from optiflow.connections.sharing import LENDING, Lending
        from optiflow.connections.usage import Usage, current

        if not self.options.share:
            return Around(((current, lambda: None),))
        lending = Lending(keep=self.options.across_runs)
        return Around(((current, partial(Usage, self.options.keep_alive_s)),), (lending, LENDING))

    def _warm_statistics(self) -> Mapping[str, float | int | str]:
        return {"warm_up_ms": self._warmth.milliseconds, "imports_warmed": ", ".join(self._warmth.imported)}

    def _decisions(self) -> Iterator[Decision]:
        from optiflow.connections.sharing import libraries, unsupported

        if not self.options.share:
            yield Decision(self.name, "*", "refused", "connections are not shared: share=false")
            return
        refused = {library: unsupported(library) for library in libraries()}
        shared = [f"{library.__name__} {library.__version__}" for library, reason in refused.items() if reason is None]
        if shared:
            what = f"clients of {', '.join(shared)} that are made in a run use connections that others left idle"
            yield Decision(self.name, "*", "applied", what)
        else:
            yield Decision(self.name, "*", "refused", "no HTTP library is loaded whose connections can be shared")
        for library, reason in refused.items():
            if reason is not None:
                yield Decision(self.name, "*", "refused", f"{library.__name__} keeps its connections: {reason}")

    def _warmed(self, plan: GraphPlan) -> GraphPlan:
        from optiflow.connections.warm_up import WarmUp, lazy_imports

        if not self.options.warm_up:
            return plan
        needed: dict[str, None] = {}
        for node in plan.nodes.values():
            modules, why_not = lazy_imports(node.runnable, self.options.warm_up_packages)
            if why_not:
                plan = plan.decide(Decision(self.name, node.name, "refused", f"nothing is imported ahead: {why_not}"))
            elif modules:
                what = f"{', '.join(modules)} imported when the graph is compiled"
                plan = plan.decide(Decision(self.name, node.name, "applied", what))
                needed |= dict.fromkeys(modules)
        return plan.with_finisher(WarmUp(tuple(needed), self._warmth)) if needed else plan
