"""GitHub, as far as the product speaks with it: REST, GraphQL and Apps, from git repositories on this machine."""
