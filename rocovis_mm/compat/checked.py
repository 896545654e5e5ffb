"""Checks the installed packages as soon as it is imported, before any of them is."""

from rocovis_mm.compat.dependencies import check_dependencies

check_dependencies()
