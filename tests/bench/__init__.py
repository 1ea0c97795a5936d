"""Benchmarks of docs/performance.md. Not tests: they measure, and assert nothing about time."""
