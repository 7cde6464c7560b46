"""What an operator sees and may do: what waits too long and why, another attempt, a match by hand, dead letters."""
