"""One generator process: sends the events of one shard of a plan on one event loop."""
