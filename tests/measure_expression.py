"""How much of an expression, and of a person, is in the vectors of each layer: the numbers of docs/video.md.

    python -m tests.measure_expression [MEDIA]

MEDIA (default: that of SUMMER_SHARED) holds crema_d: one speaker, one clip for each of six emotions. Each is
cut into four parts of successive keyframes. The first two parts train and the last two are told, and the
other way round. Since each emotion has one clip only, whatever sets clips apart helps as well.

Generated faces: the demo corpus' three portraits (and two further looks of them) with the expressions of its
seven emotions, films of six keyframes. What is told are the portraits that were not trained on. The
shares of variance are of a two-way layout: what the person, and what the expression explains.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from extraction.extractor import MediaSpan
from extraction.media import read_keyframes
from extraction.video.faces.alignment import aligned_crop, crop_matrix, standardised
from extraction.video.network.backbones import load_detector
from extraction.video.network.inception import InceptionResnetV1
from extraction.video.network.lfnet3d import InflatedInceptionResnet, sequence_vector
from extraction.video.options import Layer, OverTime
from extraction.weights import vggface2
from extraction.weights.states import load_vggface2
from tests.places import DEMO, SHARED

sys.path.insert(0, str(DEMO))
from make_demo import PORTRAITS  # type: ignore[import-not-found]

sys.path.insert(0, str(DEMO / "authoring"))
from faces import MANNERS, Actor  # type: ignore[import-not-found]

PARTS, EVERY, FILMS, FRAMES = 4, 3, 3, 6
Crops = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """Aligned crops, who and what they show, and the group that is told or trained on as a whole."""

    crops: Crops
    person: str
    expression: str
    group: str


def real_parts(media: Path) -> Iterator[Film]:
    """Quarters of the six clips; their groups are halves."""
    for path in sorted((media / "crema_d").glob("*.flv")):
        frames = [
            frame.rgb
            for chunk in read_keyframes(
                MediaSpan(path=path), every=EVERY, most=256, chunk=16, with_motion=False
            )
            for frame in chunk
        ]
        for number, crops in enumerate(np.array_split(aligned(frames), PARTS)):
            group = "first half" if number < PARTS / 2 else "second half"
            yield Film(crops=crops, person="1001", expression=path.stem.split("_")[2], group=group)


def generated_films() -> Iterator[Film]:
    """Films of talking portraits; their groups are the pictures that the looks come from."""
    random = np.random.default_rng(0)
    for (name, portrait), emotion, _ in product(PORTRAITS.items(), MANNERS, range(FILMS)):
        actor, phase = Actor(portrait, DEMO / "authoring" / "portraits"), random.uniform(0, 6.28)
        frames = [
            actor.frame(
                second=0.4 * k,
                progress=k / FRAMES,
                opening=random.uniform(0, 0.8),
                emotion=emotion,
                phase=phase,
                size=(384, 216),
            )[..., ::-1]
            for k in range(FRAMES)
        ]
        crops = aligned([np.ascontiguousarray(frame) for frame in frames])
        yield Film(crops=crops, person=name, expression=emotion, group=portrait.file)


def aligned(pictures: Sequence[NDArray[np.uint8]]) -> Crops:
    """The first face of each picture that has one."""
    found = [
        aligned_crop(picture, crop_matrix(faces[0].landmarks))
        for picture, faces in zip(pictures, load_detector("cpu")(pictures), strict=True)
        if faces
    ]
    return np.stack(found)


def told(vectors: NDArray[np.float32], films: Sequence[Film], classifier: str) -> float:
    """Share of films whose expression is told by what was trained on the films of the other groups."""
    truths, groups = (np.array([getattr(film, name) for film in films]) for name in ("expression", "group"))
    right = 0
    for group in sorted(set(groups)):
        kind = NearestCentroid() if classifier == "centroid" else LogisticRegression(C=0.01, max_iter=2000)
        model = make_pipeline(StandardScaler(), kind)
        model.fit(vectors[groups != group], truths[groups != group])
        right += int((model.predict(vectors[groups == group]) == truths[groups == group]).sum())
    return right / len(films)


def variance_of(vectors: NDArray[np.float32], names: Sequence[str]) -> float:
    """Share of the variance that lies between the means of the films of one name."""
    total = vectors - vectors.mean(axis=0)
    named = np.array(names)
    between = sum(
        (named == name).sum() * float(np.square(total[named == name].mean(axis=0)).sum())
        for name in set(names)
    )
    return between / float(np.square(total).sum())


def line(name: str, films: Sequence[Film], vectors: NDArray[np.float32]) -> str:
    """A row of the table of docs/video.md."""
    persons, expressions = [film.person for film in films], [film.expression for film in films]
    told_by = [f"{told(vectors, films, classifier):.0%}" for classifier in ("centroid", "regression")]
    shares = [f"{variance_of(vectors, names):.1%}" for names in (persons, expressions)]
    return f"| {name} | {len(films)} | {' | '.join([*told_by, *shares])} |"


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    media = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "media"
    flat = InceptionResnetV1()
    flat.load_state_dict(load_vggface2(vggface2()))
    sets = {"crema_d": list(real_parts(media)), "generated": list(generated_films())}
    print("| films | n | expression told: centroid | regression | variance: person | expression |")
    print("|:---|---:|---:|---:|---:|---:|")
    for layer, over_time in product(get_args(Layer), get_args(OverTime)):
        network = InflatedInceptionResnet(flat, layer=layer, over_time=over_time)
        with torch.inference_mode():
            for which, films in sets.items():
                vectors = np.stack(
                    [sequence_vector(network, standardised(film.crops)).numpy() for film in films]
                )
                print(line(f"{which}, {layer}, {over_time}", films, vectors), flush=True)


if __name__ == "__main__":
    main()
