"""Out-of-order execution, in-order commit: nodes start when what they read is ready, and commit in program order.

The graph keeps its topology: every node still has its own superstep, in which LangGraph applies its writes, saves
its checkpoint, emits its events and enforces its policies. Only the *work* of a node may have been started earlier,
while nodes before it were still running; in its own superstep the finished work is then handed over, after a check
that it saw exactly the state that the superstep sees. Whatever does not pass the check is thrown away and the node
runs in its place, as it would have without OptiFlow.
"""
