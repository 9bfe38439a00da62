"""What draws the figures of the texts; ``docs/figures/draw.py`` is its program.

words      every string of every figure, alternative texts too, in two languages
style      colours, numbers, files
sound      log-mel, SpecAugment
shapes     padding and packing, the network
sums       the trellis of CTC, the prefix search
networks   what trained networks see: spikes, attention, segments
curves     learning curves, error rates against beam and weight
runs       the commands that train those networks
measure    what is taken from them, into data/
stride2    trains a network with half the stride
"""
