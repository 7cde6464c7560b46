"""The demo: Assent's main job told as a short story on the terminal, each sentence of it observed for real."""
