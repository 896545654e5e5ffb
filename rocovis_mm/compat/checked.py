"""Checks the installed packages as soon as it is imported, before any of them is."""

from rocovis_mm.compat.dependencies import check_dependencies
from rocovis_mm.compat.yapf_cache import import_yapf

check_dependencies()
import_yapf()
