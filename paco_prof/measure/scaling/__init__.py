"""Measuring growth: what is left to be done, how long it is likely to take, the search for the largest batch."""
