"""Files that VIS tools exchange; no torch."""
