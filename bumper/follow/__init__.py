"""From the revision on the branch to the verdict."""
