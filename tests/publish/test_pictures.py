"""Every comment as a browser shows it: no text lies on another one, none is cut off or to be scrolled to, wide and on a phone.

Without a Chromium (apt-get install chromium), or npm for the program that draws charts, these are left out, and say so; with
BUMP_REQUIRE_BROWSER set they fail. `PYTHONPATH=. python tests/comment_pages.py FOLDER` takes pictures for people.
"""

import os

import pytest
from comment_pages import LOOKS, Look, measured, mermaid, page, stories

from benchmarks.chromium import program
from bumper.publish.comment import merged

# What the test itself must be able to see.
_OVERLAP = '<p style="position: relative">under it<span style="position: absolute; left: 0; top: 4px">on it</span></p>'
_CUT = '<p style="white-space: nowrap">' + "never broken " * 200 + "</p>"
_SCROLLS = "<pre>" + "never broken " * 200 + "</pre>"


@pytest.mark.slow
@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[-1]], ids=lambda look: look.name)
def test_no_text_lies_on_another_and_none_is_cut_off(look: Look) -> None:
    if program() is None:
        if os.environ.get("BUMP_REQUIRE_BROWSER"):
            pytest.fail("BUMP_REQUIRE_BROWSER is set, but there is no Chromium")
        pytest.skip("NOT TESTED how comments look: there is no Chromium (apt-get install chromium)")
    bodies = {name: merged("", run) for name, run in stories().items()}
    shown = measured(
        page({**bodies, "overlap": _OVERLAP, "cut": _CUT, "scrolls": _SCROLLS}, look, script=mermaid())
    )
    assert shown.charts >= 5
    assert shown.texts > 300
    assert [problem[0] for problem in shown.problems if problem[1] == "overlap"] == ["overlap"]
    assert "scrolls" in [problem[0] for problem in shown.problems if problem[1] == "scrolls"]
    assert "cut" in [problem[0] for problem in shown.problems if problem[1] == "cut"]
    assert [problem for problem in shown.problems if problem[1] in bodies] == []
