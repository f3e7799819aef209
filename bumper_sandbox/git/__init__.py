"""git's own server over HTTP, behind a token, with the faults that a host has. Not played: pull requests, rules, signatures."""
