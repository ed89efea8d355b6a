"""Networks trained step by step, and what that costs."""
