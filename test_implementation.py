"""The exercises of the lab, their points and their checks.

    pytest                                      check your scripts
    pytest -k E11                               check one exercise
    pytest -k output_lengths                    the same, by the name of its function
    python test_implementation.py               the same without pytest
    python test_implementation.py --list        the exercises, and how long they take
    python test_implementation.py --hint E11    a hint
    python test_implementation.py --doctor      see whether this computer is ready
    python test_implementation.py --submit      zip scripts and answers, to hand in

The ids give the order to work in. The checks stand in ``checks/``.
"""

from __future__ import annotations

import sys

from labkit import doctor

if __name__ == "__main__" and "--doctor" in sys.argv:
    raise SystemExit(doctor.main())  # before torch is imported: it may not be there

from collections.abc import Callable

import pytest
import torch

from checks import (
    data,
    decoding,
    hybrid,
    layers,
    main_ctc,
    main_seq2seq,
    models,
    search,
    segments,
    seq2seq,
    trellis,
)
from labkit.exercises import Exercise, Milestone, exercise, main, registry

# fmt: off
EXERCISES = registry(
    exercise("E01", "the size of the alphabet",
             points=1, minutes=3, difficulty=1,
             where="data.py:question1", check=data.VocabularySize,
             hint="which attribute of a CharMap counts its symbols, the blank among "
                  "them?"),
    exercise("E02", "encoding a sentence",
             points=1, minutes=5, difficulty=1,
             where="data.py:question2", check=data.Encoding,
             hint="a CharMap does both; what do É, the capitals and ! become, "
                  "and why?"),
    exercise("E03", "the log-mel transform",
             points=2, minutes=15, difficulty=2,
             where="data.py:WaveformProcessor.build_tospectro", check=data.LogMel,
             hint="16000 samples with a step of 160 give 101 frames; what turns power "
                  "100 into 20?"),
    exercise("E04", "packing sequences of different lengths",
             points=2, minutes=15, difficulty=2,
             where="data.py:pack_sequences", check=data.Packing,
             hint="lengths 5, 9, 2 come back as 5, 9, 2: which argument of "
                  "pack_padded_sequence asks for an order that you do not have?"),
    exercise("E05", "collating a minibatch",
             points=2, minutes=20, difficulty=3,
             where="data.py:BatchCollate.collate", check=data.Collating,
             needs=("E03", "E04"),
             hint="three lists in a row: utterances, their spectrograms, their "
                  "transcripts; what does self.processor.finish do with one log-mel?"),
    exercise("E06", "unpacking a minibatch",
             points=2, minutes=15, difficulty=2,
             where="data.py:unpack_minibatch", check=data.Unpacking,
             hint="pad_packed_sequence also gives the lengths: where does utterance b "
                  "end?"),
    exercise("E07", "the frames that a transcript needs",
             points=2, minutes=10, difficulty=2,
             where="models.py:required_frames", check=models.RequiredFrames,
             hint="'elle' needs 5 frames: what must stand between the two l?"),
    exercise("E08", "collapsing a path",
             points=2, minutes=10, difficulty=2,
             where="decoding.py:collapse", check=decoding.Collapse,
             hint="1 2 2 0 0 0 2 1 becomes 1 2 2 1 (0 is the blank): which 2 merge?"),
    exercise("E09", "the CTC loss by its forward recursion",
             points=3, minutes=40, difficulty=4,
             where="trellis.py:forward_loss", check=trellis.ForwardLoss,
             hint="« a » in two frames has the paths aa, a¬ and ¬a: in which of the "
                  "states ¬ a ¬ may a path start, and end? which step of « ab » is "
                  "forbidden in « aa »?"),
    exercise("E10", "the CTC loss",
             points=3, minutes=25, difficulty=3,
             where="main_ctc.py:ctc_losses", check=main_ctc.CTCLoss,
             hint="F.ctc_loss takes log-probabilities (T', B, V), targets (B, U) and "
                  "two vectors of lengths; what does it return by default, and what do "
                  "you want?"),
    exercise("E11", "lengths after the convolutions",
             points=2, minutes=20, difficulty=3,
             where="models.py:output_lengths", check=models.OutputLengths,
             hint="T = 5 gives 3, then 2: does a stride of 2 round up or down here, "
                  "and what decides it?"),
    exercise("E12", "the best path of each utterance",
             points=2, minutes=20, difficulty=3,
             where="decoding.py:best_paths", check=decoding.BestPaths,
             hint="a batch of T' = 2 and 5: how many indices has the first path, and "
                  "how many log-probabilities add up to its cost?"),
    exercise("E13", "the optimiser",
             points=1, minutes=5, difficulty=1,
             where="main_ctc.py:build_optimizer", check=main_ctc.Optimizer,
             hint="AdamW shrinks the weights apart from the gradient: which two "
                  "options does it take?"),
    exercise("E14", "one training step",
             points=3, minutes=25, difficulty=3,
             where="main_ctc.py:train_step", check=main_ctc.TrainStep,
             hint="a second call must give what a fresh start from the same weights "
                  "gives: what is left over from the first?"),
    exercise("E15", "the size after the convolutions",
             points=1, minutes=5, difficulty=2,
             where="models.py:question3", check=models.ConvolutionSize,
             hint="a convolution gives floor((T + 2 padding - kernel) / stride) + 1: "
                  "what is that for T = 5, kernel 41, stride 2, padding 20?"),
    exercise("E16", "masking the padding",
             points=2, minutes=15, difficulty=3,
             where="models.py:mask_padding", check=models.Masking,
             hint="with lengths 2 and 3, frames 0 1 2: which of the six are inside? "
                  "compare (T,) with (B, 1)"),
    exercise("E17", "the convolutions",
             points=2, minutes=20, difficulty=2,
             where="models.py:CTCModel.build_cnn", check=layers.Convolutions,
             hint="the docstring's table has a row for each convolution; what follows "
                  "each, and which of nn.Dropout and nn.Dropout2d drops a whole "
                  "channel?"),
    exercise("E18", "the recurrent layers",
             points=2, minutes=15, difficulty=2,
             where="models.py:CTCModel.build_rnn", check=layers.Recurrent,
             hint="(T', B, n_features) goes in; with H = 4 and two directions, what is "
                  "the size of a frame that comes out?"),
    exercise("E19", "the output layer",
             points=1, minutes=5, difficulty=1,
             where="models.py:CTCModel.build_charlin", check=layers.OutputLayer,
             hint="each frame comes out of the recurrent layers with 2 H numbers: why "
                  "2?"),
    exercise("E20", "the forward pass",
             points=4, minutes=40, difficulty=4,
             where="models.py:CTCModel.forward", check=models.Forward,
             needs=("E11", "E16", "E17", "E18", "E19"),
             hint="print the shape after every step: which steps need (B, C, T, M), "
                  "which a packed sequence, and which lengths does each packing take?"),
    exercise("E21", "building the network",
             points=1, minutes=5, difficulty=1,
             where="main_ctc.py:build_model", check=main_ctc.BuildModel,
             needs=("E17", "E18", "E19"),
             hint="which option of --help goes with each argument of CTCModel?"),
    exercise("E22", "an L1 penalty",
             points=2, minutes=15, difficulty=2,
             where="models.py:CTCModel.penalty", check=models.Penalty,
             needs=("E17", "E18", "E19"),
             hint="weights 3, -4 and l1 = 0.5 give 3.5; a bias has one dimension: how "
                  "many has a matrix, and how many the kernel of a convolution?"),
    exercise("E23", "one step of prefix beam search",
             points=4, minutes=40, difficulty=5,
             where="decoding.py:advance", check=search.Advance,
             hint="another a follows the paths « a » and « a¬ »: which of them becomes "
                  "« aa », and what does the other one stay?"),
    exercise("E24", "pruning the beam",
             points=1, minutes=10, difficulty=2,
             where="decoding.py:prune", check=search.Prune,
             hint="sorted() takes a key and a direction; how long is the result for 3 "
                  "candidates and a beam of 10?"),
    exercise("E25", "shallow fusion of a language model",
             points=3, minutes=30, difficulty=4,
             where="decoding.py:fuse_language_model", check=decoding.ShallowFusion,
             hint="« a » spans five frames and is still « a »: how often may the "
                  "model score it? And which state predicts the b of « ab »?"),
    exercise("E26", "a test that finds inexact searches",
             points=3, minutes=30, difficulty=4,
             where="decoding.py:is_exact", check=search.Law,
             hint="what do the probabilities of all transcripts add up to, and which "
                  "broken search would pass if you looked at that sum alone?"),
    exercise("E27", "Viterbi alignment",
             points=3, minutes=30, difficulty=4,
             where="trellis.py:viterbi", check=trellis.Alignment,
             hint="two frames, p(¬) = 0.6 and p(a) = 0.4 in each: aa 0.16, a¬ 0.24, "
                  "¬a 0.24; once you stand at the better end, how do you know which "
                  "state you came from?"),
    exercise("E28", "edit distance",
             points=2, minutes=25, difficulty=3,
             where="trellis.py:edit_operations", check=trellis.EditDistance,
             hint="« cha » to « cat » takes 2 errors, « cha » to « cats » 3, « chat » "
                  "to « cat » 1: why does « chat » to « cats » take 2, and not 3?"),
    exercise("E30", "attention",
             points=2, minutes=20, difficulty=3,
             where="seq2seq.py:attend", check=seq2seq.Attention,
             hint="scores 0, 0 and 0, the last frame padding: which weights do you "
                  "want, and which number becomes 0 in a softmax?"),
    exercise("E31", "what a decoder reads and must answer",
             points=1, minutes=10, difficulty=2,
             where="seq2seq.py:shift_transcripts", check=seq2seq.Shifting,
             hint="¶oui¦ has 5 symbols: after which 4 of them is a question asked, and "
                  "what are the 4 answers?"),
    exercise("E32", "the loss of the attention decoder",
             points=2, minutes=20, difficulty=3,
             where="main_seq2seq.py:attention_losses",
             check=main_seq2seq.AttentionLoss,
             hint="two targets of probability 1/4 each, no smoothing, then three of "
                  "padding: the loss is 2 ln 4; what keeps the padding out? Smoothing "
                  "0.2, V = 4: the labels are 0.85 and three times what?"),
    exercise("E33", "the joint loss",
             points=2, minutes=15, difficulty=2,
             where="main_seq2seq.py:joint_losses", check=main_seq2seq.JointLoss,
             needs=("E10", "E31", "E32"),
             hint="losses 10 and 2, weight 0.3 give 4.4; and with weight 0, what "
                  "becomes of 0 times infinity?"),
    exercise("E34", "reading with the attention decoder",
             points=4, minutes=40, difficulty=4,
             where="seq2seq.py:AttentionDecoder.forward", check=seq2seq.Reading,
             needs=("E30",),
             hint="attend takes (B, N, Q, D): how many queries has an utterance of "
                  "R = 3 rows of U = 4 symbols, and how do you get (3, 4) back?"),
    exercise("E35", "greedy decoding with attention",
             points=3, minutes=30, difficulty=4,
             where="seq2seq.py:greedy_attention", check=seq2seq.Greedy,
             hint="one utterance ends after 3 symbols, another goes on to its limit, "
                  "7: how many calls are needed, and who cuts the first one off?"),
    exercise("E36", "extending a prefix under CTC",
             points=4, minutes=45, difficulty=5,
             where="hybrid.py:extend_prefix", check=hybrid.Prefixes,
             hint="two frames; p(blank) = 0.6 and 0.5, p(a) = 0.3 and 0.2: « a » comes "
                  "first at frame 1 or at frame 2, and 0.3 + 0.6 * 0.2 is ...? what "
                  "changes for a second a?"),
    exercise("E37", "combining the scores of both heads",
             points=1, minutes=10, difficulty=2,
             where="hybrid.py:joint_scores", check=hybrid.Combining,
             hint="weight 0.3, CTC -10, attention -2 give -4.4; which column has no "
                  "longer transcripts in it, so that another number belongs there?"),
    exercise("E38", "rescoring an n-best list",
             points=1, minutes=15, difficulty=2,
             where="hybrid.py:rescore", check=hybrid.Rescoring,
             hint="score -9, of which ctc -10: what is the rest, and is it weighted?"),
    exercise("E39", "how sure CTC is of each symbol",
             points=1, minutes=10, difficulty=2,
             where="hybrid.py:confidences", check=segments.Confidences,
             hint="l l ¬ l with probabilities 0.5 0.9 0.8 0.6 is « ll »: 0.9 and 0.6; "
                  "what separates the two?"),
    exercise("E40", "finding the uncertain segments",
             points=1, minutes=10, difficulty=2,
             where="hybrid.py:find_segments", check=segments.FindingSegments,
             hint="yes yes no yes gives (0, 2) and (3, 4): what ends a segment, beside "
                  "a no?"),
    exercise("E41", "putting the replacements in",
             points=2, minutes=15, difficulty=3,
             where="hybrid.py:splice", check=segments.Splicing,
             hint="a b c d ¦, segment (1, 2), replacement x y c give a x y c d ¦: how "
                  "often was c written, and what if the segment holds the ¦?"),
    exercise("E42", "how much attention agrees with",
             points=1, minutes=10, difficulty=2,
             where="hybrid.py:count_accepted", check=segments.Accepting,
             hint="yes yes no yes counts 2: what should yes yes yes count, and does "
                  "your code say so?"),
)

# Part two searches and aligns with the kit's own beam and alignment.
SEARCH = ("E23", "E24", "E25", "E26", "E27", "E28")

MILESTONES = (
    Milestone(upto="E14", what="the linear baseline trains, one frame at a time",
              command="python main_ctc.py train --model LinearModel"),
    Milestone(upto="E21", what="the network overfits 16 clips",
              command="python main_ctc.py train --debug"),
    Milestone(upto="E22", what="the network learns to transcribe clips it never saw",
              command="python main_ctc.py train --scheduler --train_augment"),
    Milestone(upto="E24", what="your beam search transcribes a fold",
              command="python main_ctc.py test --fold test --decoder prefix"),
    Milestone(upto="E27", what="your alignment finds when each word is said",
              command="python main_ctc.py test --audiofile "
                      "corpora/mini/fr/clips/mini_fr_00452.mp3 "
                      '--transcript "Paul écoute la chanson avec sa mère."'),
    Milestone(upto="E35", what="the network with attention overfits 16 clips",
              command="python main_seq2seq.py train --debug", without=SEARCH),
    Milestone(upto="E38", what="CTC and attention transcribe a fold together",
              command="python main_seq2seq.py test --fold test "
                      "--compare attention joint rescore", without=SEARCH),
    Milestone(upto="E42", what="every way of decoding with attention, in a table",
              command="python main_seq2seq.py test --fold test --compare",
              without=SEARCH),
)
# fmt: on


def test_platform_not_your_code_ask_your_instructor() -> None:
    """Torch itself computes what the checks rely on."""
    log_probs = torch.full((2, 1, 2), 0.5).log()
    loss = torch.nn.functional.ctc_loss(
        log_probs, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])
    )
    # Three of the four paths collapse to the one symbol.
    assert abs(loss.exp().item() - 4 / 3) < 1e-5, "not your code: ask your instructor"
    padded = torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(1)])
    assert padded.tolist() == [[1, 1], [1, 0]], "not your code: ask your instructor"


@pytest.mark.parametrize(
    "exercise", EXERCISES.values(), ids=lambda one: f"{one.id}-{one.function}"
)
def test_exercise(exercise: Exercise, report: Callable[[Exercise], None]) -> None:
    """Check one exercise; ``report`` (labkit) turns its verdict into pytest's."""
    report(exercise)


if __name__ == "__main__":
    raise SystemExit(main(EXERCISES, MILESTONES, __doc__))
