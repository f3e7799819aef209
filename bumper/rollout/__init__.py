"""From what the cluster shows to a verdict: `judge` looks once, `timed_out` says where a deploy hung; `rules` has both."""
