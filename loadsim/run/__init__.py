"""One load run: from the user's options to a stored, judged result."""
