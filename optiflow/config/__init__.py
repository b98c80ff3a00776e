"""The configuration tree: composed by Hydra, validated once, frozen."""
