"""Faces in a clip: found, aligned, linked into tracks, and the speaker's chosen (paper, appendix A.1)."""
