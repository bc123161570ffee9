"""The data of a fit or a prediction: checks, sources, splits and feeds of mini-batches."""
