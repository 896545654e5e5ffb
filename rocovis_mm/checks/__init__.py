"""What is wrong with a data set, how to mend it, and what is in it; numpy, pillow and json only."""
