"""The first check of a prompt: a list of words, the same for every base and every person.

Refused are sexual content, and nudity or anything suggestive together with somebody who is or seems under age.
Nudes of adults are an old subject of art and are not refused. A check that cannot run refuses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import structlog
from django.utils.translation import gettext, gettext_noop

from config.kit.errors import Refusal
from generation.prompts import readings

log = structlog.get_logger(__name__)

# Words or phrases, parted by commas; a star stands for any ending.
SEXUAL = """
    anal sex, blowjob*, bukkake, cameltoe, creampie*, cum in, cum on, cumshot*, cunnilingus, deepthroat*, dildo*,
    ejaculat*, erotic*, explicit sex*, fellatio, fisting, fuck*, gangbang*, genital*, handjob*, hardcore sex*,
    hentai, intercourse, masturbat*, nsfw, orgasm*, orgy, orgies, penetrat* sex*, penis*, porn*, pussy, pussies,
    rape, raped, raping, rapist*, rimjob*, sex, sexual*, sexy time, slutty, striptease*, threesome*, vagina*,
    vulva*, xxx
"""
# Never, whatever else the prompt says.
NEVER = "jailbait, lolicon*, loli, lolis, shotacon*, shota, shotas, paedophil*, pedophil*, pedo"
SUGGESTIVE = """
    bare breast*, bikini*, bondage, boob*, buttocks, cleavage, fetish*, horny, lascivious*, lewd*, lingerie,
    nipple*, provocative*, seductive*, seducing, sensual*, sexy, thong*, topless, undress*, underwear, unclothed,
    upskirt*
"""
NAKED = "naked, nude*, nudity, nudes, without clothes, no clothes, wearing nothing"
CHILD = """
    adolescent*, babies, baby, child*, infant*, kid, kids, kindergart*, minors, pre teen*, preteen*, prepubescent*,
    pubescent*, schoolboy*, schoolchild*, schoolgirl*, school boy*, school girl*, teen, teens, teenage*, toddler*,
    tween*, under age, underage*, ten year old*, eleven year old*, twelve year old*, thirteen year old*, fourteen
    year old*, fifteen year old*, sixteen year old*, seventeen year old*, young boy*, young girl*, little boy*,
    little girl*, youngster*
"""
YOUNG = "boy, boys, girl, girls"  # of grown people too, hence refused with nudity alone
# Everyday words that hold one of the above. Read over before anything is looked for.
HARMLESS = """
    same sex, opposite sex, sex education, sex pistols, fair sex, sexual dimorphism, social intercourse, intercourse
    of minds, rape of europa, rape of proserpina, rape of the sabine*, rape seed*, rape field*, oilseed rape, naked
    eye, naked flame*, naked mole rat*, naked tree*, naked branch*, nude colour*, nude color*, nude tone*, baby
    grand, baby blue, baby steps, baby pink, childlike, kid leather, kid gloves, magna cum laude, summa cum laude,
    cum laude, pussy willow*, pussy cat*, pussycat*, boy scout*, cowboy*, girl with a pearl earring
"""
ADULT_AT = 18

SAY_SEXUAL = gettext_noop("This asks for sexual content, which is not made here. Please change the prompt.")
SAY_MINOR = gettext_noop(
    "This joins somebody who seems under age with nudity or something suggestive, which is never made here. "
    "Please change the prompt."
)
SAY_BROKEN = gettext_noop(
    "The safety check could not run, so nothing was started or paid. Please try again in a minute."
)

Check = Callable[[str], str]


def require_safe(text: str) -> None:
    """Raise a `Refusal` with a sentence unless every check lets `text` pass."""
    for check in CHECKS:
        try:
            say = check(text)
        except Exception as error:  # what cannot be checked is not made
            log.exception("safety_check_failed", check=check.__name__)
            raise Refusal(gettext(SAY_BROKEN), code="safety_unavailable", field="prompt", status=503) from error
        if say:
            raise Refusal(gettext(say), code="unsafe_prompt", field="prompt")


def words(text: str) -> str:
    """The sentence of a refusal, or nothing. Weights and brackets hide nothing."""
    seen = dict.fromkeys(_plain(reading) for reading in (text, *readings(text)))
    return next((say for plain in seen if (say := _said_of(plain))), "")


def _said_of(plain: str) -> str:
    return _verdict(plain) or _verdict(plain.translate(_DISGUISES)) or _verdict(_joined(plain))


CHECKS: tuple[Check, ...] = (words,)


def _verdict(plain: str) -> str:
    read = _HARMLESS.sub(" ", plain)
    child = _CHILD.search(read) or any(int(age) < ADULT_AT for age in _AGE.findall(read))
    if _NEVER.search(read) or (child and (_SEXUAL.search(read) or _SUGGESTIVE.search(read) or _NAKED.search(read))):
        return SAY_MINOR
    if _YOUNG.search(read) and (_SEXUAL.search(read) or _NAKED.search(read)):
        return SAY_MINOR
    return SAY_SEXUAL if _SEXUAL.search(read) else ""


def _plain(text: str) -> str:
    """Small letters without accents, words parted by one blank: “Same-Sex” is “same sex”."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return re.sub(r"[^\w@$]+|_", " ", "".join(letter for letter in letters if not unicodedata.combining(letter)))


def _joined(plain: str) -> str:
    """“p o r n” is “porn”."""
    return re.sub(r"\b(?:\w ){2,}\w\b", lambda found: found[0].replace(" ", ""), plain)


def _any_of(listed: str) -> re.Pattern[str]:
    terms = (" ".join(term.split()) for term in listed.split(","))
    patterns = (re.escape(term).replace(r"\*", r"\w*").replace(r"\ ", " ") for term in terms)
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)")


_DISGUISES = str.maketrans("013457@$", "oieastas")
_AGE = re.compile(r"\b(\d{1,2}) ?(?:years? old|year olds?|yrs? old|yo|y o)\b")
_SEXUAL, _NEVER, _SUGGESTIVE = _any_of(SEXUAL), _any_of(NEVER), _any_of(SUGGESTIVE)
_NAKED, _CHILD, _YOUNG, _HARMLESS = _any_of(NAKED), _any_of(CHILD), _any_of(YOUNG), _any_of(HARMLESS)
