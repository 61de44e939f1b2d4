"""Prepares and sends one event, and returns its answer."""
