"""Keeps the event loop free: enough threads for sync code, and blocking calls of async nodes on them.

`pool` sizes the pools, `judging` decides which nodes may be changed, `stepping` and `hooks` change them.
"""
