"""The companion receiver: verifies deliveries with the sender's schemes, counts them, and fails on purpose when
asked."""
