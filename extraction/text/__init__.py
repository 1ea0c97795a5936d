"""Text: RoBERTa over an utterance in its dialogue.

context.py and passages.py say what is read, encoder.py how it becomes a vector, tuning.py how the encoder
learns emotions, folds.py how training rows are read by encoders that did not see them. Importing this package
loads neither torch nor transformers: they come with the first clip that is read, or tuned on.
"""

from extraction.text.encoder import RobertaText
from extraction.text.options import TuningError, TuningOptions, TuningProgress
from extraction.text.tuning import tune_text

__all__ = ["RobertaText", "TuningError", "TuningOptions", "TuningProgress", "tune_text"]
