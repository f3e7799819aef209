"""A small API server, the controllers of Deployments and ReplicaSets, and a kubelet whose containers are words alone.

Not played: scheduling (one node takes every pod), services and routes, volumes, probes (a behaviour for each image says how they end).
"""
