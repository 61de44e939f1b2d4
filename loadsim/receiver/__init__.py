"""The companion receiver: verifies with the sender's schemes, keeps the books, misbehaves with known answers."""
