"""Sends the metrics of a run, and spans of its sampled deliveries, to an OpenTelemetry collector while it goes on.

The parent does this in a thread of its own: the run never waits for the collector. Only `collector`, `metric_points`
and `client_spans` import OpenTelemetry, and they are imported by a run that asks for it.
"""
