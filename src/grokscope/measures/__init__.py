"""What can be measured of a network."""
