"""The effects of a run: reads their source while the run goes on and after it."""
