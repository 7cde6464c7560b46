"""Owns recordings, the inventory of their audio copies, their erasure and its proof."""
