"""MMTracking 1.0.0rc1 as host: what MMDetection 3.0.0rc5 lacks, and data samples to and fro."""
