"""Many experiments: where they are trained, what is trained next, and their diagram."""
