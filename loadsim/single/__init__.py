"""One event: prepared as a run would send it, sent, and its answer."""
