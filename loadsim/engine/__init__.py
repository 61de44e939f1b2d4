"""Fires one shard of a Plan on one event loop: the only room that sleeps, connects and sends."""
