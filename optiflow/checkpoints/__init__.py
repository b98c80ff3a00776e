"""LangGraph's own checkpoints at less cost: the same rows, written in fewer and cheaper transactions."""
