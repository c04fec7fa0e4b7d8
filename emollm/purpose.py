"""What answers are for, the uses that the law forbids, and the words about both that cards and reports carry.

Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689, https://eur-lex.europa.eu/eli/reg/2024/1689/oj) prohibits systems
that infer emotions of people in the areas of workplace and education, except for medical or safety reasons. A purpose that names
these areas is refused unless such a reason is written down. This reads words: it reminds honest people, and is no legal advice.
"""

from __future__ import annotations

import re

from emollm.errors import ConfigError

AREAS = {
    "the workplace": re.compile(
        r"\b(work\s?place|work\s?force|employ\w*|staff|colleagues?|recruit\w*|hiring|hire[sd]?|job (?:interview|applica)\w*|"
        r"human resources|hr|call.?cent(?:er|re) agents?|worker\w*|productivity)\b",
        re.IGNORECASE,
    ),
    "education": re.compile(
        r"\b(educat\w*|schools?|schooling|universit\w*|colleges?|class\s?rooms?|students?|pupils?|teach\w*|lectures?|"
        r"exams?|examination\w*|proctor\w*|e-?learning)\b",
        re.IGNORECASE,
    ),
}
LIMITS = (
    "Made for research on perceived emotion, for describing clips, and for teaching. Not made for, and not tested for: judging a person, "
    "hiring, grading, proctoring, policing, border control, insurance, lie detection, medical diagnosis, or any decision that matters to "
    "somebody. Faces, voices and words show emotion differently between people, languages, cultures and conditions; labels are those of "
    "raters of the training data, and errors fall unevenly on groups. Look at the numbers by group before you rely on any."
)
REGULATION = (
    "Within the EU, a system that infers emotions or intentions of people from their biometric data, such as face or voice, is an emotion "
    "recognition system (AI Act, Regulation (EU) 2024/1689, article 3(39)).",
    "Inferring emotions in the areas of workplace and education institutions is prohibited, except for medical or safety reasons "
    "(article 5(1)(f)).",
    "Systems intended for emotion recognition are listed as high-risk (Annex III, point 1(c)), with the duties that follow for providers "
    "and deployers.",
    "Who deploys one informs the people who are exposed to it, and handles their data as the data protection law asks (article 50(3)).",
    "Other places have other laws. This is a summary by engineers and no legal advice: have counsel confirm before any use with people.",
)
NOTICE = """\
An AI system estimates which emotions people appear to express here, from [picture / sound / words].
Who runs it: [name, contact]. What for: [purpose]. On what legal ground: [ground].
It guesses how others might read an expression; it does not know what anybody feels, and it is often wrong.
What is kept, where and how long: [data, place, time]. Who sees it: [recipients].
You may ask for your data, have them corrected or erased, object, and complain to [authority].
[Have counsel confirm this text before it is used.]
"""
_REASON = re.compile(r"\s*(medical|safety)\s*:\s*\S.{9,}", re.IGNORECASE | re.DOTALL)


def check_purpose(purpose: str | None, exception: str | None = None) -> None:
    """Refuse a purpose in the areas of workplace and education, unless a medical or safety reason is written down.

    Args:
        purpose: What the answers are for, in the user's words.
        exception: The reason, as `medical: ...` or `safety: ...`.

    Raises:
        ConfigError: The use is forbidden, or the exception is none.
    """
    if exception is not None and not _REASON.match(exception):
        fix = "write it as `medical: why` or `safety: why`, in a sentence"
        raise ConfigError("this is no reason that article 5(1)(f) of the EU AI Act knows", "--purpose-exception", fix)
    areas = [area for area, words in AREAS.items() if purpose and words.search(purpose)]
    if areas and exception is None:
        what = f"inferring people's emotions in {' and '.join(areas)} is forbidden (EU AI Act, article 5(1)(f))"
        fix = "do not; where it has medical or safety reasons, write them down: --purpose-exception 'safety: ...'"
        raise ConfigError(what, "--purpose", fix)
