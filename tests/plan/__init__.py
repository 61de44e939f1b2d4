"""Tests of the plan: units, scenarios, arrivals, shards."""
