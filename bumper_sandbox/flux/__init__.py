"""The source- and the kustomize-controller of a small Flux: from the bytes that git serves to objects in the cluster.

Not played: Helm, notifications, image automation, sources other than a branch over HTTP, what `build` refuses by name.
"""
