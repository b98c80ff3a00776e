"""Runs side by side: a run and its baseline, and designs of many."""
