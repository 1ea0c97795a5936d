"""Who speaks where no name is given: voices and faces of a recording's utterances, grouped.

spectrum.py   sound to the mel spectra that the voice encoder was trained on
voice.py      the voice encoder: a vector for an utterance's sound
face.py       a vector for an utterance's face
grouping.py   vectors to speakers
"""

from extraction.speakers.face import face_vector
from extraction.speakers.grouping import Guess, Heard, guessed_speakers
from extraction.speakers.voice import VoiceEncoder, load_voice_encoder, voice_vector

__all__ = [
    "Guess",
    "Heard",
    "VoiceEncoder",
    "face_vector",
    "guessed_speakers",
    "load_voice_encoder",
    "voice_vector",
]
