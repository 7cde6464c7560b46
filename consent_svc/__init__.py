"""Owns rooms, meetings, who was present when, answers and their history; gives the verdict over the audio."""
