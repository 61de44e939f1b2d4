"""Reports: the blocks of a report, its three renderers, and the other output formats. All functions are pure."""
