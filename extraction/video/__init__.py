"""LFNet3D: keyframes, faces, aligned crops, spatio-temporal vector (paper, appendix A.1)."""
