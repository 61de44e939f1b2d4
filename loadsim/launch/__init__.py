"""Splits a Plan into shards, starts one process per shard, merges their frames as they arrive."""
