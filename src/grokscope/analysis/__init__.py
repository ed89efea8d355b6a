"""Questions about finished runs."""
