"""Nodes whose outcomes are kept: which may be, under which key, and how a hit takes the place of the work."""
