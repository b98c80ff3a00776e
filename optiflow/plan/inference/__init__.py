"""What a node's code says about its effects: conservative static analysis.

`knowledge` lists what is taken for granted; everything that is not followed and not listed is unknown.
"""
