"""Registered parts; imported by the registries."""
