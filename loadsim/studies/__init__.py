"""Procedures made of several runs: embedded run, capacity, ab, probe, bench."""
