"""Checking, mending and summarising data sets, without torch."""
