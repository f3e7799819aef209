"""The platform as one page of HTML: how its sites stand, what they wait for, when nothing is deployed, every deploy, DORA's figures.

Law: the page is whole. It loads nothing and asks nobody, runs no script and takes no style but its own, and whatever people, clusters
or commits wrote is shown as text and never read as HTML. It says where each statement comes from: a look at the clusters, git, or the
record. Figures are those of `history.metrics`; what is drawn is drawn by a library (`ports.drawing`). Its size, and the time to make
it, grow with sites and deploys and no faster.
"""
