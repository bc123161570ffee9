"""Threads: the limit on BLAS's threads, and the choice of shards and threads for a training step."""
