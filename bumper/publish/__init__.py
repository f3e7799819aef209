"""What people read of a run: on the terminal, on GitHub, as JSON."""
