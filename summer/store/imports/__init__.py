"""What people already have, as feature stores: tables keyed by utterance, the field's pickles. No torch."""
