"""The feature store: one HDF5 file per modality and corpus. Loads no torch.

rows.py says what a row is, head.py what an encoder's head is, candidates.py what vectors were chosen among,
hdf5.py knows the file; comparison.py, exports.py and imports/ stand beside them.
"""

from summer.store.candidates import Candidates, joined
from summer.store.hdf5 import FeatureStore, StoreWriter, new_store, write_part
from summer.store.head import EncoderHead
from summer.store.rows import Header, Kind, Rows, StoreError

__all__ = [
    "Candidates",
    "EncoderHead",
    "FeatureStore",
    "Header",
    "Kind",
    "Rows",
    "StoreError",
    "StoreWriter",
    "joined",
    "new_store",
    "write_part",
]
