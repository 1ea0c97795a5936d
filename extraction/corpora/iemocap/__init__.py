"""IEMOCAP: its evaluations, transcriptions, film and sound, and what is known to be odd."""
