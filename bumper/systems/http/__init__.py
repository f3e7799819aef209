"""HTTP as all systems speak it: what is trusted, how much of an answer is read and for how long.

Law: a peer decides neither how long we wait, nor how much we keep, nor how deep we read. Where a credential may go says `address`.
"""
