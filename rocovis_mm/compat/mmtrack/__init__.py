"""MMTracking 1.0.0rc1 as host: classes that MMDetection 3.0.0rc5 lacks, and its data samples."""
