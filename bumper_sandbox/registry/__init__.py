"""A registry that speaks the OCI distribution protocol and ACR's exchange of tokens. Not played: storage, replication, webhooks."""
