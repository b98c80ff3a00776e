"""A run with its baseline and its verdict: what every report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optiflow.analysis.figures import Figure
from optiflow.analysis.verdict import Verdict
from optiflow.record.schema import RunRecord

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """One judged run."""

    record: RunRecord
    baseline: RunRecord
    """The baseline of the same workload; the record itself where no toggle was on."""
    verdict: Verdict

    @property
    def is_baseline(self) -> bool:
        """Whether the run is its own baseline."""
        return self.record.record_id == self.baseline.record_id

    @property
    def figures(self) -> Mapping[str, Figure]:
        """The run's figures by name, the comparisons with the baseline included."""
        return self.verdict.figures

    @property
    def baseline_figures(self) -> Mapping[str, Figure]:
        """The baseline's own figures by name."""
        return self.verdict.baseline_figures
