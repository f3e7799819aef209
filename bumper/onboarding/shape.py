"""How sites look that differ in name, hosts and tag alone.

Law: only an order in which to try models, so that a likeness is enough: the data of a site as text, its name, its hosts and the tags
of its images blotted out. Whether a site can be copied is proved by copying it.
"""

import json
import re

from bumper.fluxtree.sites.find import Site
from bumper.onboarding.landscape import Landscape

_NAME, _HOST = "\0", "\1"
_RULE = re.compile(r"Host\([^()]*\)(?:\s*\|\|\s*Host\([^()]*\))*")
_TAG = re.compile(r'("image": "[^"]*):[^":/]*"')
_HOSTS = re.compile(rf'"{_HOST}"(?:, "{_HOST}")+')


def shapes(landscape: Landscape) -> list[list[Site]]:
    """The sites that route hosts, those that look alike together, the largest group first."""
    groups: dict[str, list[Site]] = {}
    for site in landscape.sites:
        if hosts := sorted(
            {routed_host.host for routed_host in landscape.hosts_of(site)}, key=len, reverse=True
        ):
            groups.setdefault(_look(landscape, site, hosts), []).append(site)
    return sorted(groups.values(), key=len, reverse=True)


def _look(landscape: Landscape, site: Site, hosts: list[str]) -> str:
    objects = [built_object.document.value for built_object in landscape.built(site)]
    text = json.dumps([site.spec, *objects], ensure_ascii=False)
    for host in hosts:
        text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", _HOST, text, flags=re.IGNORECASE)
    text = re.sub(rf"(?<![^\W_]){re.escape(site.name)}(?![^\W_])", _NAME, text)
    return _HOSTS.sub(f'"{_HOST}"', _TAG.sub(r'\1"', _RULE.sub(_HOST, text)))
