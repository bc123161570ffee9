"""What a network is, in memory and in a file."""
