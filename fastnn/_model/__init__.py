"""The values that define a network, their memory and their file."""
