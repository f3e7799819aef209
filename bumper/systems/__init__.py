"""The systems on the other side: each package knows one of them, and none knows another."""
