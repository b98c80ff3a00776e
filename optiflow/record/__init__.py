"""The record of a run: what is in it, how it is captured, where it is kept."""

from optiflow.record.schema import RunRecord, comparison_key, new_record_id

__all__ = ["RunRecord", "comparison_key", "new_record_id"]
