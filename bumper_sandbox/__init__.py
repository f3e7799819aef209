"""The platform that `bump demo`, the benchmarks and the tests run on: git, a registry, Kubernetes and Flux on loopback.

Played, over real HTTP: git's own server behind a token; a registry with ACR's exchange of tokens; a Kubernetes API with watches; of
Flux the source- and the kustomize-controller; the controllers of Deployments and ReplicaSets, and a kubelet that asks the registry.
Their states, texts and times are held to recordings of the real ones.
Not played, and said where it is met: containers (nothing runs), Helm, notifications, StatefulSets, Jobs and custom kinds (stored, and
nobody acts on them), most of kustomize (refused by name; the demo has it built by `model`).

Law: nothing of the product is used here but its values (`errors`, `image`, `objects`): if both sides were one, an error would hide
itself. Only for strangers' trees, which the demo shows and nothing is tested with, `model` builds as the product does. Of the product
only `bumper.commands.demo` imports this package; the product does not know whether it talks to it.

`stack` puts it all together, `demo` shows the main job on it, `example/` is the platform tree that it shows it on.
"""
