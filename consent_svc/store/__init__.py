"""Postgres: each module keeps one noun, hides its rows and does each operation in one transaction."""
