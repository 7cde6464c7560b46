"""The nouns and rules of recordings and their audio: no I/O, no clock, no framework."""
