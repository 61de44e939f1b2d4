"""Parses values that users write: times, headers, and event names with the scheme that follows from them."""
