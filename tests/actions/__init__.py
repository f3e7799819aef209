"""The shipped action and workflows, run by a runner: `act` in its host mode, without Docker."""
