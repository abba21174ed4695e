"""Training runs: the loop, its checkpoints, short pilots of it, and the accuracy that it comes to."""
