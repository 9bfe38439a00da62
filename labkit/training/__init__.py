"""A run of training: its epochs and minibatches, its folder, its checkpoints."""

from labkit.training.checkpoint import load_checkpoint
from labkit.training.guided import GuidedAttention
from labkit.training.recurrent import run_densely
from labkit.training.run import Run
from labkit.training.start import begin, open_network
