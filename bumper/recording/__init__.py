"""A followed deploy as a file: everything that its verdicts were made from, to be judged again without a cluster and without git.

Law: what is recorded is what the systems answered and when (on our clock), never what was concluded. The same code follows a
recording and a cluster, so that replaying gives the same report, each time. No Secret, no environment variable's value and nothing
that looks like a secret gets into the file (`strip`).

The format is JSON lines. The first line is the head: how long, which contexts, and for each site what was wanted and what had
happened before. Each further line is one of

- `{"object": {…}}`: an object, once for each of its versions; looks name objects by their number in the file, from 0;
- `{"context": …, "at_s": …, "look": [{"site": …, "follows": […], "kustomization": 1, "pods": [4, 5], …}, …]}`: one look at the
  workloads that were read for it: all that are awaited, or those that may have changed; `follows` is the workload's kind, namespace
  and name;
- `{"context": …, "at_s": …, "error": {…}}`: a look that failed, or a failure told while waiting;
- `{"context": …, "before": [{"tried": …, "untried": …, "kustomization": 1, …}, …]}`: how each site stood before the push;
- `{"context": …, "facts": {"site": …, "revisions": {…}}}`: what git said, where it was new;
- `{"context": …, "asked": …, "answer": …}`: the request to fetch;
- `{"context": …, "notices": […]}`: the permissions that are missing, where that was new;
- `{"context": …, "at_s": …}`: a wait ended;
- `{"end_s": …}`: the run was over.
"""
