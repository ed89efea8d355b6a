"""Architectures, one a file, and the analytic network."""
