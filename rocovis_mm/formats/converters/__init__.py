"""From other data sets to YouTube-VIS json, and back; numpy, pillow and json only."""
