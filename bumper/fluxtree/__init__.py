"""The Flux tree of a repository: which files Flux builds, and what kustomize makes of them."""
