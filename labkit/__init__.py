"""Provided code, in rooms: students write nothing here.

A room may import only the rooms above it in this list, and of them only what their
door, ``__init__.py``, names.

    base         errors, files, command lines, cores, seeds: no torch at import
    text         written language: the alphabet, normalising
    audio        reading clips, normalising, SpecAugment
    figures      pictures of spectrograms and posteriors
    metrics      error rates
    options      the command lines of the scripts, the parts; no torch at import
    lm           n-gram language models; python -m labkit.lm
    corpus       a release of Common Voice on disk; python -m labkit.corpus
    decoding     beam search, alignment, shallow fusion, Flashlight
    loading      clips to minibatches
    evaluation   transcribing clips, scoring and comparing decoders
    training     a run: its folder, checkpoints, resuming, several processes
    page         the page of demo.py: speak, and watch the decoder
    exercises    the registry, checks and verdicts; what pytest prints
    doctor       checks the installation; imports nothing
"""
