"""An experiment as a value: what is trained, on what, and how. Nothing here needs JAX."""
