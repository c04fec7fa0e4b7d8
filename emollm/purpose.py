"""What answers are for, and the uses that the law forbids.

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
