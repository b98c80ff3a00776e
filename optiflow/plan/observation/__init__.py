"""What nodes do in a recorded run, and whether it agrees with what their effects are held to be.

A run is watched (`watching`, with `tracking` for the state and `outside` for the world), its record keeps what was
seen, and later plans are checked against it (`evidence`).
"""
