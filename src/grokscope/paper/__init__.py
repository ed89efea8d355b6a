"""One paper, "To grok or not to grok": its grids, figures, statements and report."""
