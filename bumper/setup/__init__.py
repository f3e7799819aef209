"""Setting a platform up: what has to be there once before a site's first deploy, as files and commands for a person. Pure.

Law: nothing is guessed and no secret is written. What is not known is asked, or found out by a command that stands there to be read
before it is run. A text stands here once: `bump setup` fills it in, and docs/setup.md shows it for an example.
"""
