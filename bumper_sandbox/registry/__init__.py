"""A registry that speaks the OCI distribution protocol and ACR's exchange of tokens."""
