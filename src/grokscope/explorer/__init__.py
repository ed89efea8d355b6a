"""The page in a browser that shows a sweep: what it is given, how it is written and served."""
