"""What can be edited in a file that SOPS has encrypted."""

import pytest
from editing import fields_of

from bumper import manifest
from bumper.errors import FieldUnsafe

POD = "kind: Pod\nspec:\n  containers:\n  - image: reg.io/web:1\n    env: [{name: K, value: 'ENC[AES256_GCM,data:eA==]'}]\n"
MAC = "sops:\n  age: []\n  mac: ENC[AES256_GCM,data:bWFj]\n  version: 3.9.0\n"


@pytest.mark.parametrize(
    "text",
    [
        POD + MAC,
        POD + MAC + "  mac_only_encrypted: false\n",
        f"{POD}---\nkind: Secret\n{MAC}",
    ],
)
def test_a_mac_over_every_value_forbids_each_edit(text: str) -> None:
    (field,) = fields_of(text.encode(), "reg.io/web")
    mac = text[: text.index("mac:")].count("\n") + 1
    with pytest.raises(
        FieldUnsafe, match=rf"f.yaml:4: .*sops.mac \(f.yaml:{mac}\).*mac_only_encrypted"
    ) as raised:
        manifest.plan(text.encode(), field, "2")
    assert raised.value.hint.startswith("change it with `sops set`")


@pytest.mark.parametrize(
    "text",
    [
        POD + MAC + "  mac_only_encrypted: true\n",
        POD + "sops: {age: []}\n",
        POD + "metadata: {labels: {sops: 'yes'}}\n",
    ],
)
def test_a_plain_value_that_no_mac_covers_can_be_edited(text: str) -> None:
    content = text.encode()
    (field,) = fields_of(content, "reg.io/web")
    assert manifest.apply(content, manifest.plan(content, field, "2")) == content.replace(b"web:1", b"web:2")


def test_an_encrypted_tag_is_left_alone() -> None:
    text = "image: {repository: reg.io/web, tag: 'ENC[AES256_GCM,data:eA==]'}\nsops: {mac: x, mac_only_encrypted: true}\n"
    (field,) = fields_of(text.encode(), "reg.io/web")
    with pytest.raises(FieldUnsafe, match="encrypted by SOPS"):
        manifest.plan(text.encode(), field, "2")


def test_a_patch_inside_of_such_a_file_is_covered_too() -> None:
    text = (
        f"patches:\n- patch: |\n    kind: Pod\n    spec: {{containers: [{{image: 'reg.io/web:1'}}]}}\n{MAC}"
    )
    (field,) = fields_of(text.encode(), "reg.io/web")
    assert "sops.mac" in field.unsafe
