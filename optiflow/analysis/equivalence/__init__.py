"""Whether an optimized graph still does what the user's own did: observe both, find the differences."""

from optiflow.analysis.differences.difference import Difference
from optiflow.analysis.differences.places import Places
from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.comparison import compare, first_difference
from optiflow.analysis.equivalence.observation import (
    LOG_RECORD,
    CheckpointView,
    Effect,
    Event,
    Failure,
    ModelRequest,
    Observation,
    Turn,
)
from optiflow.analysis.equivalence.observer import STREAM_MODES, Mode, Observer, observe
from optiflow.analysis.equivalence.recorder import Recorder

__all__ = [
    "LOG_RECORD",
    "STREAM_MODES",
    "Allowance",
    "CheckpointView",
    "Difference",
    "Effect",
    "Event",
    "Failure",
    "Mode",
    "ModelRequest",
    "Observation",
    "Observer",
    "Places",
    "Recorder",
    "Turn",
    "compare",
    "first_difference",
    "observe",
]
