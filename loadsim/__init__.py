"""loadsim: a load and latency tester for webhook endpoints."""

__version__ = "0.1.0"
