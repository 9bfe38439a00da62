"""From the clips of a corpus to minibatches."""

from labkit.loading.loaders import (
    Loading,
    batches_of,
    clips_folder,
    describe_folds,
    open_corpus,
)
from labkit.loading.utterances import Utterance
