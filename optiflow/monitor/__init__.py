"""What a run is watched with: durations of operations, blocking of the event loop, memory and CPU time."""

from optiflow.monitor.operations import OperationReport, PerformanceMonitor
from optiflow.monitor.performance_monitor import collect, performance_monitor

__all__ = ["OperationReport", "PerformanceMonitor", "collect", "performance_monitor"]
