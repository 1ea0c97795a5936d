"""Transcripts of one's own conversations, as people have them: SubRip, WebVTT, CSV, JSON.

`read_transcript` makes lines of any of them, `conversation` a corpus of the lines and the media. The corpus
then goes through the same extractors as MELD.
"""

from extraction.transcripts.conversation import Media, conversation
from extraction.transcripts.heard import Hearing, heard
from extraction.transcripts.lines import Line, Transcript, TranscriptError
from extraction.transcripts.reading import SUFFIXES, read_transcript

__all__ = [
    "SUFFIXES",
    "Hearing",
    "Line",
    "Media",
    "Transcript",
    "TranscriptError",
    "conversation",
    "heard",
    "read_transcript",
]
