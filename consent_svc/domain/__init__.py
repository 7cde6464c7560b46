"""The nouns and rules of meetings and consent: no I/O, no clock, no framework."""
