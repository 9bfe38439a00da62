"""Shallow fusion: language models and hot words, as automata."""
