"""The forward pass on new data."""
