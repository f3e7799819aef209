"""The sites of a Flux tree: where the image of each stands, what leads visitors to it, and what makes Flux fetch it."""
