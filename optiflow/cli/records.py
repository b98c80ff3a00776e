"""``optiflow records export|import|mlflow``: records out of the store and into it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from optiflow.errors import ConfigurationError, nearest_name
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optiflow.record.schema import RunRecord
    from optiflow.record.store import RecordStore

__all__ = ["USAGE", "main"]

USAGE = """usage: python -m optiflow records export FILE.jsonl|FILE.parquet|FILE.csv [EXPERIMENT]
       python -m optiflow records import FILE.jsonl|FILE.parquet
       python -m optiflow records mlflow [EXPERIMENT]   (to where MLFLOW_TRACKING_URI says)"""


def main(argv: Sequence[str]) -> int:
    """Carry records between stores, files and MLflow.

    Args:
        argv: The action and its operands.

    Returns:
        0.

    Raises:
        ConfigurationError: The arguments are wrong.
        OptiflowError: The store or the file failed.
    """
    actions = {"export": _export, "import": _import, "mlflow": _mlflow}
    if not argv or argv[0] not in actions:
        raise ConfigurationError(f"records: {nearest_name(argv[0] if argv else '', actions)}; {USAGE}")
    from optiflow.record.store import RecordStore

    with closing(RecordStore(get_settings().store_url)) as store:
        print(actions[argv[0]](store, list(argv[1:])))
    return 0


def _export(store: RecordStore, operands: list[str]) -> str:
    from optiflow.record.exchange import export_records

    if not 1 <= len(operands) <= 2:
        raise ConfigurationError(USAGE)
    count = export_records(_chosen(store, operands[1:]), Path(operands[0]))
    return f"{count} records written to {operands[0]}"


def _import(store: RecordStore, operands: list[str]) -> str:
    from optiflow.record.exchange import import_records

    if len(operands) != 1:
        raise ConfigurationError(USAGE)
    # All are read before the first is written: a damaged file changes nothing.
    records = list(import_records(Path(operands[0])))
    store.save_all(records)
    return f"{len(records)} records taken in from {operands[0]}"


def _mlflow(store: RecordStore, operands: list[str]) -> str:
    from optiflow.record.exchange import export_mlflow

    if len(operands) > 1:
        raise ConfigurationError(USAGE)
    count = export_mlflow(_chosen(store, operands), operands[0] if operands else "optiflow", None)
    return f"{count} runs added to MLflow"


def _chosen(store: RecordStore, names: Sequence[str]) -> Iterable[RunRecord]:
    """The runs of an experiment, or all."""
    if not names:
        return store.all()
    from optiflow.experiment.store import ExperimentStore

    return store.of_sweep(ExperimentStore(store).get(names[0]).experiment_id)
