"""Raw vectors to the narrow ones that the model reads: `pca`, or the paper's FC + DialogueRNN.

Paper: section 3.3 (ComParE's 6373 to 512) and A.1 (LFNet3D, DialogueRNN, then a fully connected layer). A
reducer is fitted on the training split's usable rows, saved, and applied to every row; or training rows are
reduced out of fold. Importing this package loads neither torch nor scikit-learn.
"""

from summer.reduction.options import DialogueRnnOptions, default_dialogue_rnn_options
from summer.reduction.out_of_fold import OutOfFold, reduce_out_of_fold
from summer.reduction.reducer import METHODS, Method, Reducer, fit_reducer, found_reducer, load_reducer
from summer.reduction.rows import RawRows, ReductionError, RowSource

__all__ = [
    "METHODS",
    "DialogueRnnOptions",
    "Method",
    "OutOfFold",
    "RawRows",
    "Reducer",
    "ReductionError",
    "RowSource",
    "default_dialogue_rnn_options",
    "fit_reducer",
    "found_reducer",
    "load_reducer",
    "reduce_out_of_fold",
]
