"""What the runs of an experiment tell: pure functions from measurements to effects, intervals and warnings."""
