"""Train a CTC network to write down speech, and test it.

    python main_ctc.py train --debug                overfit one minibatch: start here
    python main_ctc.py train --scheduler            train on the whole training fold
    python main_ctc.py test --audiofile clip.mp3    transcribe a clip
    python main_ctc.py test --fold test             score a fold

Axis letters: T frames, T' frames after the convolutions, B utterances, U characters
of a transcript, V symbols of the alphabet.
"""

from __future__ import annotations

from labkit.options import parse

if __name__ == "__main__":
    ARGS = parse(__doc__)  # before torch is imported: --help answers at once

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from data import (
    _DEFAULT_COMMONVOICE_ROOT,
    _DEFAULT_COMMONVOICE_VERSION,
    _DEFAULT_WIN_STEP,
    BatchCollate,
    CharMap,
    Minibatch,
    get_dataloaders,
    unpack_minibatch,
)
from decoding import DECODERS, greedy_decode
from matplotlib.figure import Figure
from models import CTCModel, LinearModel, fits_ctc
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence
from torch.utils.data import DataLoader

from labkit.audio import read_audio
from labkit.base import run_program
from labkit.corpus import newest_version
from labkit.evaluation import Clip, Tester
from labkit.figures import plot_posteriors
from labkit.loading import describe_folds
from labkit.metrics import BatchResult
from labkit.training import (
    ALONE,
    RunFolder,
    Session,
    UpdateGuard,
    World,
    adopt_checkpoint,
    begin,
    checked_penalty,
    load_checkpoint,
    load_weights,
    newest_checkpoint,
    prepare,
)

WIN_STEP = _DEFAULT_WIN_STEP * 1e-3  # s
# The options that make a network, kept in its checkpoint.
ARCHITECTURE = "model nmels nhidden_rnn nlayers_rnn cell_type dropout l1".split()


def ctc_losses(
    scores: PackedSequence, transcripts: PackedSequence, blank: int
) -> Tensor:
    """Compute the CTC loss of each utterance (Graves et al. 2006).

    Args:
        scores: Packed scores (T', B, V); not normalised.
        transcripts: Packed indices (U, B).
        blank: The index of the blank.

    Returns:
        The negative log probability of each transcript, in nats, (B,); infinite
        where no path fits into T' frames.
    """
    # >>> E16
    #: (3 steps) unpack the scores; unpack the transcripts, batch first; F.ctc_loss
    #: on log-probabilities, without any reduction
    padded, n_frames = pad_packed_sequence(scores)  # (T', B, V), (B,)
    targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)  # (B, U)
    return F.ctc_loss(
        padded.log_softmax(dim=2), targets, n_frames, n_chars, blank, reduction="none"
    )
    # <<< E16


def build_model(args: argparse.Namespace, charmap: CharMap) -> CTCModel:
    """Build the network that the options ask for.

    Args:
        args: Options: nmels, nhidden_rnn, nlayers_rnn, cell_type, dropout, l1.
        charmap: The alphabet.

    Returns:
        The network, on the CPU.
    """
    # >>> E17
    return CTCModel(
        charmap,
        n_mels=args.nmels,
        nhidden_rnn=args.nhidden_rnn,
        nlayers_rnn=args.nlayers_rnn,
        cell_type=args.cell_type,
        dropout=args.dropout,
        l1=args.l1,
    )
    # <<< E17


def build_optimizer(
    model: nn.Module, args: argparse.Namespace
) -> torch.optim.Optimizer:
    """Build the optimiser: AdamW over every parameter of the network.

    Args:
        model: The network.
        args: Options: base_lr (the learning rate) and weight_decay.

    Returns:
        The optimiser.
    """
    # >>> E18
    return torch.optim.AdamW(
        model.parameters(), lr=args.base_lr, weight_decay=args.weight_decay
    )
    # <<< E18


def train_step(
    model: nn.Module,
    compute_losses: Callable[[PackedSequence, PackedSequence], Tensor],
    penalty: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    minibatch: Minibatch,
    grad_clip: float,
) -> tuple[Tensor, Tensor, PackedSequence]:
    """Update the network once.

    What is minimised is the mean loss of the utterances plus the penalty.

    Args:
        model: The network, in training mode.
        compute_losses: ``(scores, transcripts)`` to the losses (B,).
        penalty: Returns a scalar to add to the mean loss.
        optimizer: The optimiser of the network's parameters.
        minibatch: Packed spectrograms (T, B, M) and packed transcripts (U, B).
        grad_clip: Largest norm of the gradient of all parameters together.

    Returns:
        The losses (B,), the penalty and the packed scores (T', B, V), as they were
        before the update.
    """
    # >>> E19
    #: (7 steps) zero the gradients; forward; losses; penalty; backward of their sum;
    #: clip; update
    spectrograms, transcripts = minibatch
    optimizer.zero_grad()
    scores = model(spectrograms)
    losses = compute_losses(scores, transcripts)
    extra = penalty()
    (losses.mean() + extra).backward()
    clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    return losses, extra, scores
    # <<< E19


class CTCRecipe:
    """How a CTC network is trained and evaluated on a minibatch.

    Args:
        model: The network.
        charmap: The alphabet.
        optimizer: Its optimiser, or None to evaluate alone.
        grad_clip: Largest norm of the gradient.
        network: What to call in training, if something stands around ``model``.
    """

    def __init__(
        self,
        model: nn.Module,
        charmap: CharMap,
        optimizer: torch.optim.Optimizer | None = None,
        grad_clip: float = 1.0,
        network: nn.Module | None = None,
    ) -> None:
        self.model = model
        self.network = network or model
        self.charmap = charmap
        self.compute_losses = partial(ctc_losses, blank=charmap.blankid)
        self.optimizer = optimizer
        self.grad_clip = grad_clip
        self.penalty = checked_penalty(model) if optimizer else None
        self.guard = UpdateGuard(model, optimizer) if optimizer else None
        self.share = 1.0  # set by the trainer where several processes train

    def _weighted_losses(
        self, scores: PackedSequence, transcripts: PackedSequence
    ) -> Tensor:
        return self.share * self.compute_losses(scores, transcripts)

    def step(self, minibatch: Minibatch) -> BatchResult:
        """Update the network once, if the gradient is finite."""
        with self.guard:
            losses, penalty, scores = train_step(
                self.network,
                self._weighted_losses,
                self.penalty,
                self.optimizer,
                minibatch,
                self.grad_clip,
            )
        losses = losses / self.share
        result = self._result(losses, scores, minibatch, penalty.item())
        result.fault = self.guard.fault(losses, scores.data)
        return result

    def evaluate(self, minibatch: Minibatch) -> BatchResult:
        """Decode a minibatch, without an update."""
        scores = self.model(minibatch[0])
        return self._result(
            self.compute_losses(scores, minibatch[1]), scores, minibatch
        )

    def _result(
        self,
        losses: Tensor,
        scores: PackedSequence,
        minibatch: Minibatch,
        penalty: float = 0.0,
    ) -> BatchResult:
        decode, plain = self.charmap.decode, self.charmap.plain
        transcripts = (target.tolist() for _, target in unpack_minibatch(minibatch))
        return BatchResult(
            losses.detach(),
            [plain(decode(indices)) for indices in transcripts],
            [plain(text) for _, text in greedy_decode(scores, self.charmap)],
            penalty,
        )


def make_model(args: argparse.Namespace, charmap: CharMap) -> nn.Module:
    """Build the network, or the linear baseline."""
    if args.model == "LinearModel":
        return LinearModel(charmap, args.nmels)
    return build_model(args, charmap)


def open_corpus(
    args: argparse.Namespace,
    model: nn.Module,
    charmap: CharMap,
    world: World = ALONE,
) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Make the loaders of the three folds that the options ask for."""
    if args.datasetroot is None:
        args.datasetroot = _DEFAULT_COMMONVOICE_ROOT
        if args.lang == "fr":
            args.datasetversion = args.datasetversion or _DEFAULT_COMMONVOICE_VERSION
    if args.datasetversion is None:
        args.datasetversion = newest_version(args.datasetroot, args.lang)
    print(f"corpus: {Path(args.datasetroot, args.datasetversion, args.lang)}")
    # The loss needs T' frames enough; a score leaves no clip out for having too few.
    fits = partial(fits_ctc, cnn=model.cnn, charmap=charmap)
    return get_dataloaders(
        args.datasetroot,
        args.datasetversion,
        cuda=args.device.type == "cuda",
        batch_size=args.batch_size,
        n_threads=args.nthreads,
        min_duration=args.min_duration,
        max_duration=args.max_duration,
        small_experiment=args.debug,
        train_augment=args.train_augment,
        nmels=args.nmels,
        normalization=args.normalization,
        fits=fits if args.command == "train" else None,
        seed=args.seed,
        cache=args.cache,
        batch_frames=args.batch_frames,
        speed_perturbation=args.speed_perturbation,
        rank=world.rank,
        world_size=world.size,
        lang=args.lang,
    )


def train(args: argparse.Namespace) -> None:
    """Train a network, and write the folder of the run."""
    if args.init_from and args.state is None:
        model, charmap = load_network(args, args.init_from)
    else:
        charmap = CharMap()
        model = make_model(args, charmap)
    folds = open_corpus(args, model, charmap, args.world)
    print(describe_folds(training=folds[0], dev=folds[1]))
    network = prepare(model, args)
    optimizer = build_optimizer(model, args)
    recipe = CTCRecipe(model, charmap, optimizer, args.grad_clip, network)
    content = {
        "architecture": {name: getattr(args, name) for name in ARCHITECTURE},
        "alphabet": charmap.idx2char,
        "normalization": folds[1].collate_fn.normalization,
    }

    def draw(run: RunFolder, epoch: int) -> None:
        run.log_figure("posteriors", plot_first(model, folds[1], args.device), epoch)

    session = Session(args, model, optimizer, recipe, folds, content, draw)
    if args.debug:
        session.overfit()
    else:
        session.fit()


def plot_first(model: nn.Module, loader: DataLoader, device: torch.device) -> Figure:
    """Plot the first utterance of a fold, and what the network makes of it."""
    minibatch = next(batch for batch in loader if batch is not None)
    spectrogram, transcript = unpack_minibatch(minibatch)[0]  # (T, M), (U,)
    with torch.inference_mode():
        scores = model.eval()(pack_sequence([spectrogram.to(device)]))
    probabilities = scores.data.softmax(dim=1)  # (T', V), one utterance
    charmap = model.charmap
    title = charmap.decode(transcript.tolist())
    return plot_posteriors(
        spectrogram, probabilities, charmap.idx2char, WIN_STEP, title
    )


def load_network(
    args: argparse.Namespace, name: str | None = None
) -> tuple[nn.Module, CharMap]:
    """Load a network; ``args`` takes its architecture and normalisation.

    Args:
        args: The options.
        name: Its checkpoint; None for the one that the options say to test.

    Raises:
        LabError: There is no checkpoint, or it contradicts the options given.
    """
    path = Path(name or args.modelpath or newest_checkpoint(Path(args.baselogdir)))
    checkpoint = load_checkpoint(path)
    charmap = CharMap()
    adopt_checkpoint(checkpoint, args, charmap, path)
    model = make_model(args, charmap)
    load_weights(model, checkpoint["weights"], path)
    return model.to(args.device).eval(), charmap


def read_clip(args: argparse.Namespace, name: str) -> Clip:
    """Read a clip to transcribe: name, seconds, log-mel (T, M), packed input."""
    processor = BatchCollate(args.nmels, False, args.normalization).processor
    waveform, rate = read_audio(name)  # (1, samples)
    log_mel = processor.log_mel(waveform, rate)  # (T, M)
    inputs = pack_sequence([processor.finish(log_mel).to(args.device)])
    return name, waveform.shape[1] / rate, log_mel, inputs


def test(args: argparse.Namespace) -> None:
    """Transcribe clips, score a fold, or both."""
    model, charmap = load_network(args)
    tester = Tester(args, model, charmap, DECODERS, WIN_STEP, model.stride)
    with torch.inference_mode():
        if args.audiofile:
            tester.transcribe(partial(read_clip, args))
        if args.fold:
            args.debug = args.train_augment = False
            folds = dict(
                zip(("train", "dev", "test"), open_corpus(args, model, charmap))
            )
            print(describe_folds(**{args.fold: folds[args.fold]}))
            tester.score(folds[args.fold])


def main(args: argparse.Namespace) -> None:
    """Run the command of ``args``."""
    begin(args)
    {"train": train, "test": test}[args.command](args)


if __name__ == "__main__":
    raise SystemExit(run_program(partial(main, ARGS), ARGS.verbose))
