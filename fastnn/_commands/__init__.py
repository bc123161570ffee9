"""The commands of the console script that work on tables: train, predict and info."""
