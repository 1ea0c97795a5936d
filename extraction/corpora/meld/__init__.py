"""MELD, and corpora of its shape such as the demo: their tables and clips, and what is known to be odd."""
