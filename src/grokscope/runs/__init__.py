"""A finished run: its measurements, its file, and the store that it lies in."""
