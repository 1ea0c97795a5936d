"""SUMMER: unimodal-driven distillation for multimodal emotion recognition in conversations."""
