"""Experiments, comparisons, sweeps, and the recipes, tables and plots that are taken home."""
