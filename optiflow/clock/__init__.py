"""Real and virtual time behind one small interface."""

from optiflow.clock.base import Clock, current_clock, use_clock
from optiflow.clock.real import RealClock
from optiflow.clock.virtual import VirtualClock

__all__ = ["Clock", "RealClock", "VirtualClock", "current_clock", "use_clock"]
