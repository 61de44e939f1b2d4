"""One load run: from what a user asks for to a stored, judged result."""
