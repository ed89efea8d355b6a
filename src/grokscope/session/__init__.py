"""What a notebook works with: runs and sweeps that draw themselves.

The functions are those of the rooms below; what they return has `plot` and the like besides.
"""
