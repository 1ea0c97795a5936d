"""Text: RoBERTa over an utterance in its dialogue.

context.py says what is read, encoder.py how it becomes a vector, tuning.py how the encoder learns emotions.
"""

from extraction.text.encoder import RobertaText
from extraction.text.training import TuningOptions, TuningProgress
from extraction.text.tuning import TuningError, tune_text

__all__ = ["RobertaText", "TuningError", "TuningOptions", "TuningProgress", "tune_text"]
