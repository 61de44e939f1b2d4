"""The watches of a run: reads figures of the endpoint's own while the run goes on, once a second."""
