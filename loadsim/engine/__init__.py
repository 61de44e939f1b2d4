"""Fires one shard of a Plan on one event loop: here alone a run sleeps, connects and sends."""
