"""Real tables: where they come from, the systems that learn from them, and their scores."""
