"""A new site as one commit: which bytes it adds, and what it refuses."""

from collections.abc import Sequence

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import deployment, flux, sync

from bumper import check
from bumper.errors import Refused, UsageError
from bumper.fluxtree.sites import find
from bumper.onboarding import SiteRequest, Uncarried, plan_addition
from bumper.onboarding.addition import Addition

from . import platforms
from .platforms import K8S, SITES, after, k8s, tree

HOSTS = ("example.org", "www.example.org")
LISTED = "k8s/flux-system/kustomization.yaml"


def added(
    files: "dict[str, str] | dict[str, bytes]", *hosts: str, name: str = "shop", **wanted: object
) -> Addition:
    named = hosts or ("shop.example",)
    return plan_addition(tree(files), SiteRequest(name, wanted.pop("hosts", named), **wanted))  # type: ignore[arg-type]


def text(addition: Addition, path: str) -> str:
    content = addition.files[path][1]
    assert content is not None
    return content.decode()


@pytest.mark.parametrize(
    "like", [SITES[0], *(pytest.param(site, marks=pytest.mark.slow) for site in SITES[1:])]
)
def test_each_of_our_sites_is_a_model_and_the_copy_differs_in_names_hosts_and_tag_alone(like: str) -> None:
    files = k8s()
    addition = added(files, *HOSTS, name="example-org", like=like)
    assert sorted(addition.files) == [
        "k8s/example-org/deployment.yaml",
        "k8s/example-org/ingress.yaml",
        "k8s/example-org/namespace.yaml",
        "k8s/example-org/service.yaml",
        "k8s/flux-system/example-org-sync.yaml",
        LISTED,
    ]
    for path, (_, content) in addition.files.items():
        if path == LISTED:
            assert content == files[path] + b"  - example-org-sync.yaml\n"
            continue
        assert content is not None
        model = files[path.replace("example-org", like)]
        for line, was in zip(content.decode().splitlines(), model.decode().splitlines(), strict=True):
            if "match:" in was:
                assert line == "    - match: Host(`example.org`) || Host(`www.example.org`)"
            elif "image:" in was:
                assert line == was.replace(like, "example-org").replace("08a2c8e", "no-image-yet")
            else:
                assert line == was.replace(like, "example-org")


def test_the_new_tree_holds_the_site_and_nothing_new_is_wrong_with_it() -> None:
    files = k8s()
    addition = added(files, *HOSTS, name="example-org")
    whole = after(files, addition.files)
    target = find.find(tree(whole), "example-org")
    assert (target.url, str(target.image)) == (
        "https://example.org",
        "kevinryanacr.azurecr.io/example-org:no-image-yet",
    )
    assert check.findings(tree(whole)) == check.findings(tree(files))
    assert addition.like == "kevinryan-io"
    assert addition.notices == ()


def test_the_plain_form_is_that_of_our_own_sites() -> None:
    files = k8s()
    plain = added(
        files, *HOSTS, name="example-org", is_plain=True, image="kevinryanacr.azurecr.io/example-org"
    )
    assert plain.files == added(files, *HOSTS, name="example-org").files
    assert plain.like == ""


NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True)
HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\.(example|test)", fullmatch=True)


@settings(max_examples=examples(12))
@given(NAME, st.lists(HOST, min_size=1, max_size=4, unique=True), st.sampled_from(SITES))
@pytest.mark.slow
def test_whatever_the_name_and_hosts_the_copy_is_the_plain_form(
    name: str, hosts: list[str], like: str
) -> None:
    files = k8s()
    if name in {site.name for site in find.sites(tree(files))} | {"gotk", "default"}:
        return
    image = f"kevinryanacr.azurecr.io/{name}"
    modelled = added(files, *hosts, name=name, like=like)
    plain = added(files, *hosts, name=name, is_plain=True, image=image)
    if name not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n"):
        assert modelled.files == plain.files
    assert modelled.target.image.repository == image


def test_a_name_that_yaml_reads_as_something_else_is_quoted() -> None:
    addition = added(k8s(), "on.example", name="on")
    assert '  name: "on"\n' in text(addition, "k8s/on/namespace.yaml")
    assert "image: kevinryanacr.azurecr.io/on:no-image-yet" in text(addition, "k8s/on/deployment.yaml")


# --- the list


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (
            "resources:\n- gotk-sync.yaml\n- web.yaml\n",
            "resources:\n- gotk-sync.yaml\n- web.yaml\n- shop.yaml\n",
        ),
        (
            "resources:\n    -   gotk-sync.yaml\n    -   ./web.yaml # the first\nlabels: []\n",
            "resources:\n    -   gotk-sync.yaml\n    -   ./web.yaml # the first\n    -   ./shop.yaml\nlabels: []\n",
        ),
        ("resources: [gotk-sync.yaml, web.yaml]\n", "resources: [gotk-sync.yaml, web.yaml, shop.yaml]\n"),
        (
            'resources:\n- "gotk-sync.yaml"\n- "web.yaml"',
            'resources:\n- "gotk-sync.yaml"\n- "web.yaml"\n- "shop.yaml"',
        ),
        (
            "resources:\r\n- gotk-sync.yaml\r\n- web.yaml\r\n",
            "resources:\r\n- gotk-sync.yaml\r\n- web.yaml\r\n- shop.yaml\r\n",
        ),
    ],
)
def test_the_entry_is_in_the_hand_of_the_list(listed: str, expected: str) -> None:
    files = {
        key: value.encode()
        for key, value in platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")}).items()
    }
    files["clusters/flux-system/kustomization.yaml"] = listed.encode()
    addition = added(files)
    assert addition.files["clusters/flux-system/kustomization.yaml"] == (listed.encode(), expected.encode())


def test_where_flux_lists_the_directory_itself_the_file_is_enough() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")}, listed="")
    assert sorted(added(files).files) == ["clusters/flux-system/shop.yaml", "sites/shop/all.yaml"]


def test_a_sync_file_that_nothing_lists_is_no_model() -> None:
    files = platforms.platform(
        {"web": platforms.traefik("web", "Host(`a.example`)")}, listed="resources: [gotk-sync.yaml]\n"
    )
    with pytest.raises(Refused, match=r"gotk-sync|no Flux Kustomization|--image"):
        added(files, like="web")


def test_several_kustomizations_in_one_file_are_no_model() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["clusters/flux-system/web.yaml"] += "---\n" + platforms.flux_site("other", "./sites/other")
    with pytest.raises(Uncarried, match=r"web\.yaml: holds other objects beside Kustomization web"):
        added(files, like="web")


# --- the copy in other hands


def test_a_site_that_is_called_like_an_entry_point_keeps_it() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    copied = text(added(files, "b.example", "c.example"), "sites/shop/all.yaml")
    assert "entryPoints: [web, websecure]" in copied
    assert "match: Host(`b.example`) || Host(`c.example`)" in copied
    assert "services: [{name: shop, port: web}]" in copied
    assert "ports: [{name: web, port: 80, targetPort: web}]" in copied
    assert 'image: "reg.example/team/shop:no-image-yet"  # shop\'s own' in copied
    assert "path: /web/ok, port: web" in copied, "what the image answers to is its own"


@pytest.mark.parametrize(
    ("rule", "hosts", "expected"),
    [
        ("Host(`a.example`) && PathPrefix(`/x`)", ["b.example"], "Host(`b.example`) && PathPrefix(`/x`)"),
        (
            "Host(`a.example`) && PathPrefix(`/x`)",
            ["b.example", "c.example"],
            "(Host(`b.example`) || Host(`c.example`)) && PathPrefix(`/x`)",
        ),
        (
            "(Host(`a.example`) || Host(`www.a.example`)) && Path(`/`)",
            ["b.example", "c.example", "d.example"],
            "(Host(`b.example`) || Host(`c.example`) || Host(`d.example`)) && Path(`/`)",
        ),
        ("Host(`a.example`,`www.a.example`)", ["b.example", "c.example"], "Host(`b.example`, `c.example`)"),
        (
            '\'Host("a.example")||Host("www.a.example")\'',
            ["b.example", "c.example"],
            '\'Host("b.example")||Host("c.example")\'',
        ),
    ],
)
def test_a_rule_takes_the_new_hosts_in_its_own_form(rule: str, hosts: list[str], expected: str) -> None:
    files = platforms.platform({"web": platforms.traefik("web", rule)})
    assert f"    - match: {expected}\n" in text(added(files, *hosts), "sites/shop/all.yaml")


@pytest.mark.parametrize("had", [1, 2, 3])
@pytest.mark.parametrize("gets", [1, 2, 3])
def test_an_ingress_gets_a_rule_for_each_host(had: int, gets: int) -> None:
    old = [f"{number}.a.example" for number in range(had)]
    new = [f"{number}.b.example" for number in range(gets)]
    files = platforms.platform({"web": platforms.ingress("web", *old)})
    copied = text(added(files, *new), "sites/shop/all.yaml")
    assert copied.endswith(platforms.ingress("shop", *new))


@pytest.mark.parametrize("gets", [1, 2, 3])
def test_a_route_of_the_gateway_api_gets_its_hostnames(gets: int) -> None:
    new = [f"{number}.b.example" for number in range(gets)]
    files = platforms.platform({"web": platforms.gateway("web", "a.example", "www.a.example")})
    assert text(added(files, *new), "sites/shop/all.yaml").endswith(platforms.gateway("shop", *new))


def test_an_overlay_is_copied_with_its_kustomization_and_the_base_is_shared() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    manifests = files.pop("sites/web/all.yaml")
    files["sites/web/kustomization.yaml"] = (
        "resources: [web.yaml, ../../base]\nimages:\n- name: reg.example/team/web\n  newTag: '1.0'\n"
    )
    files["sites/web/web.yaml"] = manifests
    files["base/kustomization.yaml"] = "resources: [shared.yaml]\n"
    files["base/shared.yaml"] = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared, namespace: shared}\n"
    )
    with pytest.raises(Refused, match="ConfigMap shared/shared is there already"):
        added(files, "b.example")
    files["base/shared.yaml"] = files["base/shared.yaml"].replace(", namespace: shared", "")
    files["sites/web/kustomization.yaml"] = "namespace: web\n" + files["sites/web/kustomization.yaml"]
    addition = added(files, "b.example")
    assert text(addition, "sites/shop/kustomization.yaml") == (
        "namespace: shop\nresources: [shop.yaml, ../../base]\nimages:\n- name: reg.example/team/shop\n  newTag: 'no-image-yet'\n"
    )
    assert "sites/shop/shop.yaml" in addition.files


def test_hosts_elsewhere_follow_and_names_of_others_stay() -> None:
    more = """\
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: web-settings, namespace: web}
        data:
          url: https://a.example/start
          upstream: web.web.svc.cluster.local
          friend: admin.admin.svc
          text: |
            # of web
            server_name a.example;
        """
    from textwrap import dedent

    files = platforms.platform(
        {
            "web": platforms.traefik("web", "Host(`a.example`)") + dedent(more),
            "web-admin": platforms.traefik("web-admin", "Host(`admin.example`)"),
        }
    )
    files["sites/web/all.yaml"] = files["sites/web/all.yaml"].replace(
        "admin.admin.svc", "web-admin.web-admin.svc"
    )
    copied = text(added(files, "b.example", like="web"), "sites/shop/all.yaml")
    assert "name: shop-settings" in copied
    assert "url: https://b.example/start" in copied
    assert "upstream: shop.shop.svc.cluster.local" in copied
    assert "friend: web-admin.web-admin.svc" in copied
    assert "    # of shop\n    server_name b.example;\n" in copied


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("tls: {}", "tls: {}\n  x: web_prod", "web_prod holds the name web"),
        ("tls: {}", "tls: {}\n  x: web.corp.internal", "web.corp.internal holds the name web"),
        ("tls: {}", "tls: {} # see web.corp.internal", "web.corp.internal holds the name web"),
        ("match: Host(`a.example`)", "match: HostRegexp(`.+`)", "routes no host"),
        (
            "match: Host(`a.example`)",
            "match: Host(`a.example`) && HostRegexp(`.+`)",
            "finds hosts by a pattern",
        ),
        ("kind: Namespace", "sops: {mac: x}\nkind: Namespace", "holds secrets of web"),
        ("kind: Namespace", "kind: PersistentVolume", "is one volume"),
        (
            "ports: [{name: web,",
            "envFrom: [{secretRef: {name: keys}}]\n          ports: [{name: web,",
            "reads the Secret keys",
        ),
    ],
)
def test_what_cannot_be_carried_over_is_refused_with_its_place(old: str, new: str, problem: str) -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["sites/web/all.yaml"] = files["sites/web/all.yaml"].replace(old, new, 1)
    for like in ("web", ""):
        if problem == "routes no host" and not like:
            continue
        with pytest.raises(Refused) as caught:
            added(files, "b.example", like=like)
        assert problem in caught.value.message
        assert ".yaml" in caught.value.message
        assert "--plain" in caught.value.hint


def test_generated_files_are_not_carried_over() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["sites/web/kustomization.yaml"] = (
        "resources: [all.yaml]\nconfigMapGenerator: [{name: page, files: [index.html]}]\n"
    )
    files["sites/web/index.html"] = "hello"
    with pytest.raises(Uncarried, match=r"sites/web/kustomization\.yaml:2: configMapGenerator"):
        added(files, like="web")


def test_a_suspended_site_is_no_model() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["clusters/flux-system/web.yaml"] = platforms.flux_site("web", "./sites/web", "suspend: true")
    with pytest.raises(Uncarried, match=r"web\.yaml:1: Kustomization web is suspended"):
        added(files, like="web")


def test_a_hold_stays_with_the_model() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    path = "clusters/flux-system/web.yaml"
    held = "metadata:\n    annotations:\n        team/owner: web\n        bump/hold: freeze of web_prod"
    files[path] = files[path].replace("metadata:", held)
    sync = text(added(files), "clusters/flux-system/shop.yaml")
    assert sync == platforms.flux_site("shop", "./sites/shop").replace(
        "metadata:", "metadata:\n    annotations:\n        team/owner: shop"
    )


def test_what_is_wrong_in_the_model_too_is_a_notice_and_what_cannot_work_a_refusal() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    manifest = files["sites/web/all.yaml"]
    files["sites/web/all.yaml"] = manifest.replace(", limits: {cpu: 1m, memory: 1Mi}", "")
    habits = {finding.id for finding in check.findings(tree(files))}
    assert habits
    notices = added(files).notices
    assert all("as in web" in notice for notice in notices)
    assert {notice.rpartition("(")[2].partition(")")[0] for notice in notices} == habits
    files["sites/web/all.yaml"] = manifest.replace("targetPort: web", "targetPort: nothing")
    with pytest.raises(
        Refused, match=r"sites/shop/all\.yaml:\d+: .*\(service-port\), as the new site would be"
    ):
        added(files)


# --- which model


def test_the_shape_that_most_sites_share_is_taken() -> None:
    routes = {name: platforms.traefik(name, f"Host(`{name}.example`)") for name in ("odd", "one", "two")}
    files = platforms.platform(routes)
    files["sites/odd/all.yaml"] = files["sites/odd/all.yaml"].replace("cpu: 1m", "cpu: 2m")
    assert added(files).like == "one"
    assert added(files, like="odd").like == "odd"


def test_a_tree_without_a_site_gets_the_plain_form_and_asks_for_the_image() -> None:
    files = platforms.platform({})
    with pytest.raises(UsageError, match="no other site tells which registry"):
        added(files)
    addition = added(files, image="reg.example/shop")
    assert sorted(addition.files) == [
        "clusters/flux-system/kustomization.yaml",
        "clusters/flux-system/shop-sync.yaml",
        *(f"clusters/shop/{kind}.yaml" for kind in ("deployment", "ingress", "namespace", "service")),
    ]
    assert str(addition.target.image) == "reg.example/shop:no-image-yet"


def test_sites_that_cannot_be_told_apart_are_not_passed_over_in_silence() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["sites/web/all.yaml"] = files["sites/web/all.yaml"].replace("team/web:1.0", "team/ghost:5")
    with pytest.raises(
        Uncarried, match=r"no site here can be the model of a new one: web: .*an image named web is not there"
    ):
        added(files)
    assert added(files, is_plain=True, image="reg.example/shop").like == ""


def test_another_repository_is_written_and_told() -> None:
    addition = added(k8s(), name="shop", image="ghcr.io/acme/storefront")
    assert "image: ghcr.io/acme/storefront:no-image-yet" in text(addition, "k8s/shop/deployment.yaml")
    assert addition.notices == (
        "the image ghcr.io/acme/storefront is not named like the site: each deploy needs --image ghcr.io/acme/storefront",
    )


# --- what is there already


@pytest.mark.parametrize(
    ("wanted", "hosts", "problem"),
    [
        (
            {"name": "umami"},
            ("a.example",),
            "umami-sync.yaml:1: a Flux Kustomization named umami is there already",
        ),
        ({"name": "gotk"}, ("a.example",), "k8s/flux-system/gotk-sync.yaml: is there already"),
        ({}, ("kevinryan.io",), "k8s/kevinryan-io/ingress.yaml:10: kevinryan.io is routed already"),
        ({}, ("new.example", "monitoring.kevinryan.io"), "k8s/observability/"),
    ],
)
def test_what_is_taken_is_refused(wanted: dict[str, str], hosts: Sequence[str], problem: str) -> None:
    with pytest.raises(Refused) as caught:
        added(k8s(), *hosts, **wanted)
    assert problem in caught.value.message


def test_a_namespace_and_a_directory_that_are_there_are_refused() -> None:
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["sites/web/all.yaml"] = files["sites/web/all.yaml"].replace(
        "metadata:\n  name: web", "metadata:\n  name: shop"
    )
    with pytest.raises(Refused, match="the namespace shop is there already, made for Kustomization web"):
        added(files)
    files = platforms.platform({"web": platforms.traefik("web", "Host(`a.example`)")})
    files["sites/shop/notes.txt"] = "left over"
    with pytest.raises(Refused, match="sites/shop: is there already"):
        added(files)


def test_the_tree_stands_where_it_is_expected() -> None:
    assert K8S.is_dir()


def route(name: str, host: str) -> str:
    return (
        f"apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {{name: {name}, namespace: {name}}}\nspec:\n"
        f"  routes:\n    - match: Host(`{host}`)\n      kind: Rule\n      services: [{{name: {name}, port: 80}}]\n"
    )


def overlaid(*clusters: str) -> dict[str, str]:
    """A base, and for each cluster an overlay that decides tag and host."""
    files = {
        "apps/base/web/kustomization.yaml": "resources:\n  - workload.yaml\n",
        "apps/base/web/workload.yaml": platforms.workload("web", image="reg.example/web:0.0"),
    }
    for cluster in clusters:
        files |= {
            f"clusters/{cluster}/flux-system/gotk-sync.yaml": sync(f"./clusters/{cluster}"),
            f"clusters/{cluster}/kustomization.yaml": "resources:\n  - flux-system/gotk-sync.yaml\n  - web.yaml\n",
            f"clusters/{cluster}/web.yaml": platforms.flux_site("web", f"./apps/{cluster}/web"),
            f"apps/{cluster}/web/route.yaml": route("web", f"{cluster}.example"),
            f"apps/{cluster}/web/kustomization.yaml": "resources:\n  - ../../base/web\n  - route.yaml\n"
            f'images:\n  - name: reg.example/web\n    newTag: "1.0-{cluster}"\n',
        }
    return files


def test_a_base_is_copied_with_its_overlay() -> None:
    files = {path: content.encode() for path, content in overlaid("east").items()}
    addition = added(files)
    assert sorted(addition.files) == [
        "apps/base/shop/kustomization.yaml",
        "apps/base/shop/workload.yaml",
        "apps/east/shop/kustomization.yaml",
        "apps/east/shop/route.yaml",
        "clusters/east/kustomization.yaml",
        "clusters/east/shop.yaml",
    ]
    assert "  - ../../base/shop\n" in text(addition, "apps/east/shop/kustomization.yaml")
    target = find.find(tree(after(files, addition.files)), "shop")
    assert target.field.path == "apps/east/shop/kustomization.yaml"
    assert str(target.image) == "reg.example/shop:no-image-yet"


EAST_AND_WEST = (("east", "shop.example"), ("west", "shop.test"))


def test_a_site_of_several_clusters_gets_a_base_and_an_overlay_for_each() -> None:
    files = {path: content.encode() for path, content in overlaid("east", "west").items()}
    files["clusters/west/other.yaml"] = platforms.flux_site("other", "./apps/west/other").encode()
    addition = added(files, hosts=(), of_clusters=EAST_AND_WEST)
    assert sorted(addition.files) == [
        "apps/base/shop/kustomization.yaml",
        "apps/base/shop/workload.yaml",
        *(
            f"apps/{cluster}/shop/{name}.yaml"
            for cluster in ("east", "west")
            for name in ("kustomization", "route")
        ),
        *(
            f"clusters/{cluster}/{name}.yaml"
            for cluster in ("east", "west")
            for name in ("kustomization", "shop")
        ),
    ]
    for cluster, host in EAST_AND_WEST:
        listed = f"clusters/{cluster}/kustomization.yaml"
        assert addition.files[listed] == (files[listed], files[listed] + b"  - shop.yaml\n")
        for path in (f"apps/{cluster}/shop/route.yaml", f"apps/{cluster}/shop/kustomization.yaml"):
            model = files[path.replace("shop", "web")].decode().replace(f"{cluster}.example", host)
            expected = model.replace("web", "shop").replace(f"1.0-{cluster}", "no-image-yet")
            assert text(addition, path) == expected
    assert [(target.site.label, target.url) for target in addition.targets] == [
        ("shop (east)", "https://shop.example"),
        ("shop (west)", "https://shop.test"),
    ]


def hosted(cluster: str) -> dict[str, str]:
    """A base that routes a host with a variable, and the value that one cluster gives it."""
    variable = f"postBuild: {{substitute: {{DOMAIN: {cluster}.example}}}}"
    return {
        f"clusters/{cluster}/web.yaml": platforms.flux_site("web", f"./apps/{cluster}/web", variable),
        f"apps/{cluster}/web/route.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: web}\n",
        "apps/base/web/kustomization.yaml": "resources:\n  - workload.yaml\n  - route.yaml\n",
        "apps/base/web/route.yaml": route("web", "web.${DOMAIN}"),
    }


def test_hosts_that_follow_from_the_models_are_those_of_their_clusters() -> None:
    plain = overlaid("east", "west")
    for cluster in ("east", "west"):
        plain[f"apps/{cluster}/web/route.yaml"] = route("web", f"web.{cluster}.example")
    filled = overlaid("east", "west") | hosted("east") | hosted("west")
    for files, path, host in (
        (plain, "apps/west/shop/route.yaml", "shop.west.example"),
        (filled, "apps/base/shop/route.yaml", "shop.${DOMAIN}"),
    ):
        addition = added(files, "shop.west.example", "shop.east.example")
        assert f"Host(`{host}`)" in text(addition, path)
        assert [target.url for target in addition.targets] == [
            "https://shop.east.example",
            "https://shop.west.example",
        ]


def test_what_cannot_be_the_same_in_all_clusters_is_refused() -> None:
    files = overlaid("east", "west")
    with pytest.raises(Uncarried) as refused:
        added(files)
    assert refused.value.message == (
        "web: which of the new hosts belongs to which cluster is not certain (east has east.example; west has west.example)"
    )
    assert refused.value.hint == "say it for each: --host east=HOST"
    with pytest.raises(UsageError, match=r"web is in no cluster north \(found: east, west\)"):
        added(files, hosts=(), of_clusters=(("north", "shop.example"),))
    shared = files | hosted("east") | hosted("west")
    with pytest.raises(Uncarried, match=r"apps/base/web/route\.yaml: its copy would differ .*\(east, west\)"):
        added(shared, hosts=(), of_clusters=EAST_AND_WEST)
    twice = overlaid("east")
    twice["clusters/east/more.yaml"] = platforms.flux_site("web", "./apps/east/web").replace(
        "flux-system\nspec", "more\nspec"
    )
    twice["clusters/east/kustomization.yaml"] += "  - more.yaml\n"
    with pytest.raises(Uncarried, match="2 Flux Kustomizations of one cluster have this name"):
        added(twice)


def test_what_is_built_with_others_is_refused_with_what_a_copy_by_hand_takes() -> None:
    whole = overlaid("east")
    files = {
        path: text for path, text in whole.items() if "/base/" in path or path.endswith("gotk-sync.yaml")
    }
    files["clusters/east/apps.yaml"] = platforms.flux_site("apps", "./apps/east")
    files["apps/east/route.yaml"] = whole["apps/east/web/route.yaml"]
    overlay = whole["apps/east/web/kustomization.yaml"]
    files["apps/east/kustomization.yaml"] = overlay.replace("../../base/web", "../base/web")
    with pytest.raises(Uncarried) as refused:
        added(files, like="web")
    message = "web: no Flux Kustomization has this name; it is built with others by apps (clusters/east/apps.yaml:1)"
    assert message in refused.value.message
    assert refused.value.hint == (
        "copy these by hand under the new name: apps/base/web/kustomization.yaml, apps/base/web/workload.yaml; "
        "and name them where they are named: apps/east/kustomization.yaml:2, apps/east/kustomization.yaml:5"
    )


def test_a_cluster_without_the_model_gets_no_new_site_and_that_is_told() -> None:
    files = overlaid("east", "west")
    files["clusters/west/kustomization.yaml"] = "resources:\n  - flux-system/gotk-sync.yaml\n"
    addition = added(files)
    assert not [path for path in addition.files if "west" in path]
    assert addition.notices == ("not in west, where web is not either",)


def test_whatever_else_the_new_files_change_is_refused() -> None:
    files = overlaid("east")
    files["clusters/east/rest.yaml"] = platforms.flux_site("rest", "./apps/base", "targetNamespace: rest")
    files["clusters/east/kustomization.yaml"] += "  - rest.yaml\n"
    with pytest.raises(Refused, match="would change with the new site"):
        added(files)


def test_every_use_of_the_models_image_is_the_new_sites() -> None:
    files = k8s()
    path = "k8s/specmcp-ai/deployment.yaml"
    image = "kevinryanacr.azurecr.io/specmcp-ai:08a2c8e"
    setup = f"      initContainers: [{{name: setup, image: {image}}}]\n      containers:\n"
    files[path] = files[path].replace(b"      containers:\n", setup.encode(), 1)
    files["k8s/specmcp-ai/worker.yaml"] = files[path].replace(
        b"name: specmcp-ai\n", b"name: specmcp-ai-worker\n", 1
    )
    addition = added(files, "shop.example", like="specmcp-ai")
    for file in ("deployment.yaml", "worker.yaml"):
        copied = text(addition, f"k8s/shop/{file}")
        assert copied.count("kevinryanacr.azurecr.io/shop:no-image-yet") == 2
        assert "specmcp-ai" not in copied


def test_a_tree_whose_sites_have_no_route_says_so_where_the_plain_form_has_no_place() -> None:
    files = {
        "clusters/prod/web.yaml": flux("web", "./apps/web"),
        "apps/web/web.yaml": deployment("web", "reg.example/web:1", namespace="web"),
    }
    with pytest.raises(Refused) as caught:
        added(files, image="reg.example/shop")
    assert caught.value.message.startswith(
        "no site here can be the model of a new one, since none routes a host: web (clusters/prod/web.yaml:1); and the plain form"
    )
    with pytest.raises(Refused) as caught:
        added(files, image="reg.example/shop", is_plain=True)
    assert caught.value.message.startswith("found 0 Flux Kustomizations that build themselves")
