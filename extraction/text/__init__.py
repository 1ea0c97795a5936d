"""Text: RoBERTa over an utterance in its dialogue.

context.py and passages.py say what is read, encoder.py how it becomes a vector, tuning.py how the encoder
learns emotions, folds.py how training rows are read by encoders that did not see them.
"""

from extraction.text.encoder import RobertaText
from extraction.text.training import TuningOptions, TuningProgress
from extraction.text.tuning import TuningError, tune_text

__all__ = ["RobertaText", "TuningError", "TuningOptions", "TuningProgress", "tune_text"]
