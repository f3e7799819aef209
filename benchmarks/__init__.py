"""Our command and its peers in turn, in one run, as ratios with their spread. `make bench` runs all of them.

Absolute seconds belong to the machine of the day; the ratio of two commands that ran one after the other does not.
"""
