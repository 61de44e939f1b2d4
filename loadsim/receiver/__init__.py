"""The companion receiver: verifies with the same schemes as the sender, keeps the books, misbehaves with known answers."""
