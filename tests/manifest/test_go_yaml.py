"""What go-yaml takes a plain scalar for, as `kustomize` and Flux show it."""

from tables import each_row

from bumper.manifest.go_yaml import as_json, as_text

# What is written, the text that Flux makes of it, and the value that a patch has.
WRITTEN = {
    "a version": ("1.10", "1.1", "1.1"),
    "a date with a count": ("20240815.1", "2.0240816e+07", "20240815.1"),
    "more digits than 32 bits hold": ("1.23456789", "1.2345679", "1.23456789"),
    "a large number": ("12345678.0", "1.2345678e+07", "12345678"),
    "a small one": ("0.00001", "1e-05", "1e-05"),
    "a whole one": ("20240815", "20240815", "20240815"),
    "more than 64 bits hold": ("18446744073709551616", "1.8446744e+19", "1.8446744073709552e+19"),
    "more than 32 bits reach": ("1e39", "+Inf", "1e+39"),
    "no number": ("1e400", "1e400", "1e400"),
    "no number for its length": ("9" * 5000, "9" * 5000, "9" * 5000),
    "neither of 16": ("0x" + "f" * 5000, "0x" + "f" * 5000, "0x" + "f" * 5000),
    "a long one": ("9" * 300, "+Inf", "1e+300"),
    "infinite": ("-.inf", "-Inf", "-Inf"),
    "none": (".nan", "NaN", "NaN"),
    "octal": ("017", "15", "15"),
    "a flag": ("yes", "true", "true"),
    "a text": ("1.2.3", "1.2.3", "1.2.3"),
}


@each_row("name", WRITTEN)
def test_what_is_written_plain_is_written_anew(name: str) -> None:
    plain, as_a_text, as_a_value = WRITTEN[name]
    assert (as_text(plain), as_json(plain)) == (as_a_text, as_a_value)
