"""Metrics: pure functions in ``functional``, which need no torch, and registered ones."""
