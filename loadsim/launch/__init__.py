"""The parent of a run: starts the shards, follows them, and merges their frames into a result."""
