"""Places where the nodes of a graph can hide what they share, and graphs made of them."""
