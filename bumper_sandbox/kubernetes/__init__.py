"""A small API server, the controllers of workloads and a kubelet."""
