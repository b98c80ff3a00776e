"""Where JSON values differ, and where several runs of a baseline differ from each other. Pure functions."""
