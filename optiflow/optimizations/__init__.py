"""The toggles: one file, one YAML and one test each, all of one name."""
