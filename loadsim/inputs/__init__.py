"""What users write, as values: times, headers, event names and the scheme that follows from them."""
