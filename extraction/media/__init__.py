"""Decoding with PyAV: keyframes of a span, sound of a span. No neural network, no torch.

Paper: section 3.3 and appendix A.1 (one frame in every ten). Times are seconds of the file's own clock, which
starts at 0 with the file's first picture or sound; intervals are half-open.
"""

from extraction.media.faults import MediaError
from extraction.media.pictures import Frame, GreyFrame
from extraction.media.pieces import read_grey_frames, read_keyframes, read_pcm
from extraction.media.sound import Pcm

__all__ = ["Frame", "GreyFrame", "MediaError", "Pcm", "read_grey_frames", "read_keyframes", "read_pcm"]
