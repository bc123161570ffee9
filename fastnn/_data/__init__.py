"""Where examples come from: checks, sources and the feeds of mini-batches."""
