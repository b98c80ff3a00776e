"""The likely branch of a router starts while the node in front of the router still runs.

What it does is contained: its writes stay with it, what it prints, logs, streams and tells callback handlers is held
back, and what can't be held back keeps it from starting. If its branch is taken, all that is handed over in its turn,
as `optiflow.plan.dataflow` does with early work; otherwise it is dropped, and the tokens that it cost are counted.
"""
