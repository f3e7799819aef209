"""HTTP as all systems speak it: where a credential may go, what is trusted, how much of an answer is read and for how long.

Law: a peer decides neither how long we wait, nor how much we keep, nor how deep we read. What is light stands in modules of its own:
`address` is asked before any HTTP is spoken, by pure packages too.
"""
