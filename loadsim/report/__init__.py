"""Pure functions from RunResult (and Verdict) to text, Markdown, HDR percentiles and CSV."""
