"""The checks of the exercises: what each calls, and what it must give.

A check is a class of three static methods:

    inputs(generator)       draws what is given to the student's code
    probe(lab, inputs)      calls that code; returns numbers, texts, lists and tensors
    judge(inputs, result)   compares the result with an oracle

Inputs whose names begin with an underscore are for the judge alone. In grading, a probe
runs beside the student's code, in another process than inputs and judge, and only the
names that the probe looks up go along with it. So no probe may use ``oracles``; what
probes share stands in ``tools``.

    data, models, layers, main_ctc, decoding, search,    the checks of part one
    trellis
    seq2seq, main_seq2seq, hybrid, segments              those of part two
    drawing, tools, network, oracles                     what they share

Axis letters: T frames, T' frames after the convolutions, B utterances, M mel bands,
C channels, H hidden units, V symbols, U characters of a transcript, R rows of an
utterance, Q queries, N heads of D units.
"""
