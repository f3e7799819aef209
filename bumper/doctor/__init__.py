"""What is examined before a deploy: access, settings and clocks."""
