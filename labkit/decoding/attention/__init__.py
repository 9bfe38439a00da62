"""Decoding with attention: a decoder's memory and states, beams, segments."""
