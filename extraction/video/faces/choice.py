"""Whose face: one track is chosen, and how is said.

Paper: not settled there. Four rules, an explicit option of the recipe:

    largest   most area, summed over keyframes
    central   most area, each weighted by nearness: 1 in the picture's centre, 0 in a corner
    talking   whose face talks with the sound (speaking.py)
    speaker   that, and whose face is known to be the named speaker's: the second look is taken over all rows
              of a corpus together (by_speaker.py); here it is as talking

Only tracks that could be meant stand for choice: in a fifth of the keyframes at least, and in the mean at
least 0.9 sure to be a face; in a crowd the six most present. Where none is, all tracks do, and the row says
that the face is doubtful. Without sound `talking` falls back on `largest` and says so.

What was judged is told in the row: the score of the chosen track and its lead over the next. Where it is so
low that no face surely talks, and where a single face hardly moves its mouth, a remark says so: the speaker
may be out of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from extraction.video.faces.tracks import Track
from extraction.video.options import FaceChoice

LEAST_SHARE = 0.2  # of the keyframes
LEAST_CONFIDENCE = 0.9
MOST_JUDGED = 6
STILL = 0.02  # mouth motion, in units of the face's contrast
DOUBTFUL = "no track is surely a face"
NOBODY_TALKS = "no face surely talks with the sound"
STILL_MOUTH = "only face, its mouth hardly moves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What the judge says of the tracks that could be meant.

    Args:
        scores: one a track; empty where there is no sound.
        says: how it was judged.
        least: score below which nobody can be said to talk.
    """

    scores: Sequence[float]
    says: str
    least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen track.

    Args:
        how: how it was chosen, for people.
        talking_score, talking_margin: of the chosen track, and its lead over the next; NaN where talking was
            not judged.
        remark: what is doubtful about it; may be "".
        standing: the tracks that stood for choice, it among them; their talking scores, NaN where not judged.
    """

    track: Track
    how: str
    standing: Sequence[Track] = ()
    scores: Sequence[float] = ()
    talking_score: float = math.nan
    talking_margin: float = math.nan
    remark: str = ""


def choose(
    tracks: Sequence[Track], keyframes: int, rule: FaceChoice, listen: Callable[[Sequence[Track]], Talk]
) -> Choice:
    """Choose one of a clip's tracks.

    Args:
        tracks: at least one, the most present first.
        keyframes: how many the clip has.
        listen: judges who talks; asked only if there are two tracks that could be meant.
    """
    meant = that_could_be_meant(tracks, keyframes)
    doubt = "" if meant else DOUBTFUL
    standing = meant or list(tracks)[:MOST_JUDGED]
    choice = _of_standing(standing, len(tracks), rule, doubt, listen)
    unjudged = (math.nan,) * len(standing)
    return replace(choice, standing=tuple(standing), scores=choice.scores or unjudged)


def _of_standing(
    standing: Sequence[Track],
    tracks: int,
    rule: FaceChoice,
    doubt: str,
    listen: Callable[[Sequence[Track]], Talk],
) -> Choice:
    if len(standing) == 1:
        how = "only face" if tracks == 1 else f"only track of {tracks} that could be meant"
        return Choice(track=standing[0], how=how, remark=doubt or _stillness(standing[0]))
    if rule in ("talking", "speaker"):
        return _talking(standing, listen(standing), doubt)
    if rule == "central":
        nearness = [sum(s.area_share * s.nearness for s in track.sightings) for track in standing]
        return _best(standing, nearness, rule, doubt)
    return _best(standing, _presence(standing), rule, doubt)


def that_could_be_meant(tracks: Sequence[Track], keyframes: int) -> list[Track]:
    """Those of the tracks that are there often enough and surely faces, the most present; maybe none."""
    often = [track for track in tracks if len(track.sightings) >= LEAST_SHARE * keyframes]
    return [track for track in often if track.confidence >= LEAST_CONFIDENCE][:MOST_JUDGED]


def _talking(tracks: Sequence[Track], talk: Talk, doubt: str) -> Choice:
    if not talk.scores:
        return _best(tracks, _presence(tracks), "largest, no sound", doubt)
    score, runner_up = sorted(talk.scores, reverse=True)[:2]
    if score <= 0:
        how = "largest, no mouth moves with the sound"
        return _best(tracks, _presence(tracks), how, doubt or NOBODY_TALKS)
    chosen = _best(tracks, talk.scores, talk.says, doubt or (NOBODY_TALKS if score < talk.least else ""))
    scores = tuple(talk.scores)
    return replace(chosen, talking_score=score, talking_margin=score - runner_up, scores=scores)


def _presence(tracks: Sequence[Track]) -> list[float]:
    return [track.presence for track in tracks]


def _best(tracks: Sequence[Track], scores: Sequence[float], rule: str, remark: str) -> Choice:
    first, second = sorted(range(len(tracks)), key=lambda k: (-scores[k], k))[:2]
    how = f"{rule}: {first + 1} of {len(tracks)} tracks, score {scores[first]:.3g} over {scores[second]:.3g}"
    return Choice(track=tracks[first], how=how, remark=remark)


def _stillness(track: Track) -> str:
    motions = [sighting.mouth_motion for sighting in track.sightings if sighting.mouth_motion is not None]
    return STILL_MOUTH if motions and float(np.mean(motions)) < STILL else ""
