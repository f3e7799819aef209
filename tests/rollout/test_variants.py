"""The neighbours of each situation: what a senior engineer would say of them, when, and whether the version before would help."""

import situations
from situations import Situation, at_second

# A look just before a grace ends must be silent, one just after must not.
JUST_S = 0.001
# What is waited for must end by a verdict within this time, or not at all.
LONG_S = 600.0


def test_each_variant_is_judged_as_it_says() -> None:
    wrong = [f"{each.name}: {error}" for each in situations.variants() if (error := _difference(each))]
    assert not wrong, "\n".join(wrong)


def test_nobody_is_sent_back_for_what_is_not_proved_to_be_the_images_own() -> None:
    around = [each for each in situations.variants() if each.expect.get("goes_back") is False]
    own = [each for each in situations.variants() if each.expect.get("goes_back")]
    assert len(around) > 40
    assert len(own) > 20


def _difference(variant: Situation) -> str:
    expect = variant.expect
    after_s = float(expect.get("after_s", 0))
    if after_s and (early := at_second(variant, after_s - JUST_S).verdict):
        return f"{early.outcome} {early.reason} before {after_s:g} s"
    verdict = at_second(variant, after_s if expect["outcome"] else LONG_S).verdict
    if verdict is None or expect["outcome"] is None:
        return "" if verdict is None and expect["outcome"] is None else f"found {verdict}"
    judged: dict[str, object] = {"outcome": verdict.outcome.value, "reason": verdict.reason}
    if "goes_back" in expect:
        judged["goes_back"] = verdict.helps_to_go_back
    wanted = {key: value for key, value in expect.items() if key != "after_s"}
    return "" if judged == wanted else f"found {judged}, expected {wanted}"
