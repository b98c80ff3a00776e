"""What was worked out once is not worked out again: nodes and model calls, and where their outcomes are kept."""
