"""Statistics, effects, equivalence and verdicts: pure functions over records."""
