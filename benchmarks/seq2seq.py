"""The time, the calls and the errors of every decoder of part two.

    python benchmarks/seq2seq.py [--modelpath logs/seq2seq_0/best_model.pt]

One thread, batches of 16: the longest clips of the embedded corpus' test fold. The
decoders take turns, round after round, and the least time of each counts; so only
ratios are meaningful. The threshold of ``par`` is the one with the lowest CER on the
dev fold. Prefix scores are timed on made-up posteriors, beside SpeechBrain's if Python
finds it: ``pip install --no-deps --target FOLDER speechbrain hyperpyyaml ruamel.yaml
pyyaml huggingface_hub sentencepiece scipy``, and set PYTHONPATH.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Python has put this folder first: the reference's scripts come before all others.
sys.path[:0] = [str(ROOT / "LabsSolutions" / "02-pytorch-asr"), str(ROOT)]

import main_seq2seq
import torch
from data import BatchCollate, CharMap, get_dataloaders
from hybrid import DECODERS, extend_prefix
from torch import Tensor

from labkit.base import run_program
from labkit.decoding import PrefixState, empty_prefix, endings, prefix_scores
from labkit.evaluation import EncodedBatch, FoldReport, Setup
from labkit.loading import open_corpus
from labkit.options import SEQ2SEQ, parse
from labkit.training import open_network

SIZE = 16
N_BATCHES = 2
ROUNDS = 5
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
NAMES: tuple[str, ...] = (
    "greedy",
    "beam",
    "attention",
    "joint",
    "rescore",
    "verify",
    "par",
)
N_FRAMES, BEAM, N_SYMBOLS = 125, 10, 44  # of the made-up posteriors: 5 s
MEMORY = "--memory"  # measures one decoder on 16 utterances of 10 s, in a new process


def open_setup() -> tuple[Setup, tuple]:
    """Load the network that the command line names, and the corpus."""
    words = [word for word in sys.argv[1:] if word != MEMORY]
    fixed = ("test", "--fold", "test", "--nthreads", "1", "--batch_size", str(SIZE))
    args = parse(SEQ2SEQ, None, [*fixed, *words])
    model = open_network(args, main_seq2seq.make_model, CharMap())
    processor = BatchCollate(args.nmels, False, args.normalization).processor
    setup = Setup(args, model, DECODERS, processor)
    return setup, open_corpus(args, get_dataloaders)


def choose_threshold(setup: Setup, dev: list[EncodedBatch]) -> float:
    """Choose the threshold with the lowest CER on the dev fold."""
    rates = {}
    for threshold in THRESHOLDS:
        report = FoldReport()
        search = setup.make_search("par", None, par_threshold=threshold)
        for batch in dev:
            setup.score(report, search, batch)
        rates[threshold] = (report.cer.rate, report.wer.rate)
    return min(rates, key=lambda threshold: rates[threshold])


def compare_decoders(setup: Setup, folds: tuple) -> None:
    """Print error rates, decoder calls and times."""
    dev = list(setup.encode_fold(folds[1]))
    threshold = choose_threshold(setup, dev)
    # The sampler of a fold yields the longest utterances first.
    batches = list(setup.encode_fold(folds[2]))[:N_BATCHES]
    seconds = (
        sum(len(u.log_mel) for b in batches for u in b.utterances) * setup.win_step
    )
    n_clips = sum(len(batch.utterances) for batch in batches)
    print(f"{n_clips} clips of {seconds / n_clips:.1f} s; dev chose {threshold}")
    changes = {"par": {"par_threshold": threshold}}
    searches = {
        name: setup.make_search(name, None, **changes.get(name, {})) for name in NAMES
    }
    least = dict.fromkeys(NAMES, float("inf"))
    for _ in range(ROUNDS):
        reports = {name: FoldReport(name) for name in NAMES}
        for name, search in searches.items():
            for batch in batches:
                setup.score(reports[name], search, batch)
            least[name] = min(least[name], reports[name].decoding_ms)
    print("decoder        CER      WER   calls/batch   ms/utt.   time of attention")
    for name, report in reports.items():
        print(
            f"{name:10} {report.cer!s:>7}  {report.wer!s:>7} "
            f"{report.calls_per_batch:13.1f} {least[name]:9.2f} "
            f"{least[name] / least['attention']:15.2f}"
        )
    calls = {name: report.calls_per_batch for name, report in reports.items()}
    print(f"calls of attention / par: {calls['attention'] / calls['par']:.1f} (bar 4)")
    print(f"time of attention / par: {least['attention'] / least['par']:.1f} (bar 3)")
    print(f"time of rescore / beam: {least['rescore'] / least['beam']:.2f} (bar 1.3)")


def time_of(call: object, rounds: int = ROUNDS) -> float:
    """Return the least time of a call, in ms."""
    least = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        least = min(least, time.perf_counter() - start)
    return 1000 * least


def compare_prefix_scores() -> None:
    """Time one step of prefix scores: all candidates, then the beam that is kept."""
    torch.manual_seed(0)
    log_probs = torch.randn(SIZE, N_FRAMES, N_SYMBOLS).double().log_softmax(dim=2)
    blanks = log_probs[:, None, :, 0].expand(-1, BEAM, -1)  # (B, K, T')
    last = torch.randint(1, N_SYMBOLS, (SIZE, BEAM))
    never = torch.zeros(SIZE, BEAM, dtype=torch.bool)

    def extended(state: PrefixState, symbols: Tensor) -> PrefixState:
        index = symbols.unsqueeze(1).expand(-1, N_FRAMES, -1)
        emitted = log_probs.gather(2, index).transpose(1, 2)
        return extend_prefix(emitted, blanks, state, never)[0]

    state = extended(empty_prefix(blanks), last)
    probabilities, ends = log_probs.exp(), endings(log_probs, blank=0, end=2)

    def ours() -> None:
        prefix_scores(log_probs, probabilities, ends, state, last)
        extended(state, last)  # the symbols that are kept

    own = time_of(ours, 20)
    print(f"prefix scores, a step of {SIZE} x {BEAM} hypotheses: {own:.2f} ms")
    try:
        from speechbrain.decoders.ctc import (  # pyright: ignore[reportMissingImports] (optional)
            CTCPrefixScore,
        )
    except ImportError as error:
        print(f"SpeechBrain's: not timed ({error})")
        return
    scorer = CTCPrefixScore(log_probs.float(), torch.tensor([N_FRAMES] * SIZE), 0, 2)
    symbols = last.flatten()  # (B K,)
    kept = torch.arange(BEAM).expand(SIZE, -1) * N_SYMBOLS + last  # (B, K)
    _, memory = scorer.forward_step(symbols, None)
    memory = scorer.permute_mem(memory, kept)

    def theirs() -> None:
        _, new = scorer.forward_step(symbols, memory)
        scorer.permute_mem(new, kept)

    other = time_of(theirs)
    print(f"SpeechBrain's: {other:.1f} ms, {other / own:.0f} times ours (bar 10)")


def measure_memory(setup: Setup, name: str) -> None:
    """Decode 16 utterances of 10 s, and print how much the process has grown."""
    inputs = torch.nn.utils.rnn.pack_sequence(
        [torch.randn(1000, setup.args.nmels) for _ in range(SIZE)]
    )
    encoding = setup.encode(inputs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    setup.make_search(name, None)(encoding)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{name}: {(after - before) / 1024:.0f} MB more, {after / 1024:.0f} in all")


@torch.inference_mode()
def main() -> None:
    """Print the tables."""
    if MEMORY in sys.argv:
        setup, _ = open_setup()
        measure_memory(setup, setup.args.decoder)
        return
    compare_decoders(*open_setup())
    compare_prefix_scores()
    print("memory of a batch of 16 x 10 s, beam 10")
    for name in ("joint", "par"):
        words = [sys.executable, __file__, MEMORY, "--decoder", name, *sys.argv[1:]]
        result = subprocess.run(words, capture_output=True, text=True, check=True)
        print("  " + result.stdout.splitlines()[-1])


if __name__ == "__main__":
    raise SystemExit(run_program(main))
