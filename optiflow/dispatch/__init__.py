"""LangGraph's own work between nodes, done leaner while nobody listens.

`installing` makes the decisions; `graph` and `loop` are the seams: a compiled graph's class, its run loop and the
runnables of its nodes. Wherever something has to be as LangGraph does it, LangGraph does it.
"""
