"""Git: the platform repository without a checkout, clones and checkouts of this machine."""
