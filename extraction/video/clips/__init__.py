"""What the network is tuned on: short sequences of aligned faces, each with a class."""
