"""Owns transcripts: turns a recording into words with times, a waveform and an mp3, and leaves no audio behind."""
