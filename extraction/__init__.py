"""Raw media to feature stores: text, audio and video of each utterance, one vector per modality."""
