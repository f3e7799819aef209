"""Holds: what keeps automation off a site."""
