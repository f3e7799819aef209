"""What every command shares: its settings, the systems that it opens, and the flow of a run that writes."""
