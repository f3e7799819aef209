"""Long runs against attackers, slow peers and broken machines: `make soak`, in parts that go on where they stopped.

    make soak PART=kills FOR=10m         .ci/run: make soak SHORT=1
         │
    __main__ ── part by part ── cases n, n+1, … (the number is the seed) ── faults seen ── table, a line each slice
         │                                                                                   │
         │   editor     mutated files through the edit             no crash, one scalar      └─ publish ── SECURITY.md
         │   kills      SIGKILL at each step of git and http       nothing lost or doubled, fsck clean
         │   writers    64 writers, latency, 5 % faults            each told commit once on the branch
         │   rollouts   deploys behind a proxy that cuts           the verdict is that of the rollout
         │   watching   `status --watch` while all moves           memory and sockets stay flat
         │   hostile    foreign strings in every text              no escape, command, mention, link or tag
         │   slow       each system, each way of being slow        an end at the deadline in force
         └   canaries   peers that repeat what they are sent       no secret in any output

What is proved case by case stands in the other tests; here is what only numbers show.
"""
