"""What was deployed, by whom, when, from which commit and how it ended: kept in git alone.

Law: a commit made by `bump` says in its trailers which site went from which image to which (`message`, `record`), and git notes on it
say how that ended (`ending`), so that history needs no database. `past` puts the two together.
One record is one block of trailers that begins with `Bump-Site`; several sites in one commit are several blocks.
Trailers: https://git-scm.com/docs/git-interpret-trailers
"""
