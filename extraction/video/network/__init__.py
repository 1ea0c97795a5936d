"""The 3D-CNN of LFNet3D: a face recogniser's 2D network inflated along time (paper, appendix A.1)."""
