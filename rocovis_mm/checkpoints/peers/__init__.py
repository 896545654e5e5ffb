"""The names of weights that the peers of the paper's tables have alone, one module each."""
