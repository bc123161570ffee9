"""One fit: its loop and the state that it keeps."""
