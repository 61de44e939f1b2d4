"""Counts outcomes into mergeable tallies (HDR histograms) and assembles the RunResult."""
