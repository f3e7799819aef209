"""The ways in which a commit gets on the branch."""
