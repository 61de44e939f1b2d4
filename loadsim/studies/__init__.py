"""Experiments of several runs or events: capacity, ab, probe and the benchmarks, one folder each."""
