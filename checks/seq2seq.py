"""Checks of ``seq2seq.py``: attention, its decoder, greedy decoding."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from checks.drawing import decoder_weights, normal
from checks.oracles import attended, read_by_hand
from labkit.base import Lab
from labkit.decoding import Decoded, Memory, RecurrentState
from labkit.exercises import Check, Values, expect, expect_close, expect_that, part


class Attention(Check):
    """Weights and contexts, compared with sums of plain numbers."""

    LENGTHS = (6, 3)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        frames = torch.arange(6)
        lengths = torch.tensor(Attention.LENGTHS)
        return {
            "queries": 2 * normal(generator, 2, 3, 4, 5),  # (B, N, Q, D)
            "keys": normal(generator, 2, 3, 6, 5),  # (B, N, T', D)
            "values": normal(generator, 2, 3, 6, 5),
            "mask": frames < lengths.unsqueeze(1),
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        names = ("queries", "keys", "values")
        given = [inputs[name].clone().requires_grad_() for name in names]
        context, weights = lab.seq2seq.attend(*given, inputs["mask"].clone())
        if context.requires_grad:
            context.square().sum().backward()
        slopes = [x.grad for x in given]
        learns = [
            bool(s is not None and s.any() and s.isfinite().all()) for s in slopes
        ]
        return {"context": context, "weights": weights, "learns": learns}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        call = "attend of T' = 6 and 3, N = 3, Q = 4, D = 5"
        context, weights = result["context"], result["weights"]
        for name, got, want in (
            ("context", context, (2, 3, 4, 5)),
            ("weights", weights, (2, 3, 4, 6)),
        ):
            why = "context (B, N, Q, D) and weights (B, N, Q, T'), in this order"
            expect(f"{call}: shape of the {name}", tuple(got.shape), want, why)
        is_nan = bool(weights.isnan().any())
        why = "softmax over a row of -inf: over the last axis, T'? mask only what is "
        why += "past the end"
        expect_that(not is_nan, f"{call}: weights", "numbers", "NaN", why)
        outside = weights[1, :, :, 3:]
        why = "no frame is there: a score of -inf becomes 0, one of 0 does not"
        nothing = torch.zeros(3, 4, 3)
        expect_close(f"{call}: weights past frame 3 of 3", outside, nothing, why, 0)
        why = "softmax over the frames that are there"
        sums = weights.double().sum(dim=3)
        ones = torch.ones(2, 3, 4)
        expect_close(f"{call}: sum of the weights over T'", sums, ones, why)
        names = ("queries", "keys", "values")
        for b, length in enumerate(Attention.LENGTHS):
            for n in range(3):
                queries, keys, values = (inputs[name][b, n] for name in names)
                wanted = attended(queries, keys[:length], values[:length])
                at = f"{call}: utterance {b}, head {n}"
                why = "softmax of the dot products, divided by the root of D"
                shares = torch.tensor(wanted[1])
                expect_close(f"{at}: weights", weights[b, n, :, :length], shares, why)
                why = "the mean of its own values, weighted by its own weights"
                expect_close(
                    f"{at}: context", context[b, n], torch.tensor(wanted[0]), why
                )
        why = "queries, keys, values: training needs a finite gradient of each"
        expect(f"{call}: differentiable", result["learns"], [True] * 3, why)


class Shifting(Check):
    """Inputs, targets and their number, utterance by utterance."""

    START, END = 5, 6

    @staticmethod
    def inputs(generator: Generator) -> Values:
        drawn = torch.randint(1, 5, (4, 4), generator=generator).tolist()
        lengths = (1, 4, 0, 2)
        start, end = Shifting.START, Shifting.END
        texts = [[start, *row[:n], end] for row, n in zip(drawn, lengths)]
        return {"transcripts": [torch.tensor(text) for text in texts]}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        packed = pack_sequence(inputs["transcripts"], enforce_sorted=False)
        read, targets, n_targets = lab.seq2seq.shift_transcripts(packed)
        return {"inputs": read, "targets": targets, "n_targets": n_targets}

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        call = "shift_transcripts of U = 3, 6, 2, 4"
        for name in ("inputs", "targets"):
            why = "(B, U - 1): utterances first, one symbol fewer than the longest has"
            expect(
                f"{call}: shape of the {name}", tuple(result[name].shape), (4, 5), why
            )
        wanted = [len(text) - 1 for text in inputs["transcripts"]]
        why = "each symbol but the start has to be answered: U - 1 of each utterance"
        expect(f"{call}: number of targets", result["n_targets"].tolist(), wanted, why)
        for b, text in enumerate(inputs["transcripts"]):
            n, symbols = wanted[b], text.tolist()
            given = f"{call}: utterance {b}, {symbols}"
            why = "in the order of the utterances; from the start on, without the end"
            read = result["inputs"][b, :n].tolist()
            expect(f"{given}: inputs", read, symbols[:-1], why)
            why = "what follows each input: without the start, up to the end"
            targets = result["targets"][b, :n].tolist()
            expect(f"{given}: targets", targets, symbols[1:], why)


class Reading(Check):
    """The decoder, compared with one that reads symbol by symbol, in plain sums."""

    SIZES = (7, 6, 8, 2, 0.4)  # V, 2H, hidden units, heads, dropout
    LENGTHS = (6, 3)

    @staticmethod
    def inputs(generator: Generator) -> Values:
        return {
            "symbols": torch.randint(0, 7, (2, 3, 4), generator=generator),  # (B, R, U)
            "frames": 2 * normal(generator, 6, 2, 6),  # (T', B, 2H)
            "weights": decoder_weights(generator, *Reading.SIZES[:3]),
        }

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        torch.manual_seed(0)
        decoder = lab.seq2seq.AttentionDecoder(*Reading.SIZES).eval()
        decoder.load_state_dict(inputs["weights"])  # the layers that __init__ builds
        symbols, lengths = inputs["symbols"], torch.tensor(Reading.LENGTHS)
        memory = decoder.read(inputs["frames"], lengths)
        whole = decoder(symbols, memory)
        whole.log_probs[..., 0].sum().backward()
        with torch.no_grad():
            again = decoder(symbols, memory)
            # First two symbols, then one and one.
            state, pieces = None, []
            for piece in symbols.split([2, 1, 1], dim=2):
                read = decoder(piece, memory, state)
                state = read.state
                pieces.append(read.log_probs)
            decoder.train().dropout.p = 1.0  # nothing but the last bias is left
            dropped = decoder(symbols, memory)
        return {
            "log_probs": whole.log_probs,
            "weights": whole.weights,
            "hidden": whole.state.hidden,
            "pieces": pieces,
            "again": again.log_probs,
            "dropped": dropped.log_probs,
            "kept": dropped.state.hidden,
            # A bias of the keys shifts all scores alike: softmax takes it out.
            "unmoved": [
                name
                for name, p in decoder.named_parameters()
                if name != "key.bias" and (p.grad is None or not p.grad.any())
            ],
        }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        call = "decoder of B = 2, R = 3, U = 4, T' = 6 and 3"
        shapes = {"log_probs": (2, 3, 4, 7), "weights": (2, 3, 4, 6)}
        for name, shape in shapes.items():
            why = "log_probs (B, R, U, V), weights (B, R, U, T')"
            expect(f"{call}: shape of {name}", tuple(result[name].shape), shape, why)
        wanted = [Reading.by_hand(inputs, b) for b in range(2)]
        log_probs = torch.stack([one[0] for one in wanted])  # (B, R, U, V)
        hidden = torch.stack([one[1] for one in wanted])
        with part("what is read at once"):
            sums = result["log_probs"].double().exp().sum(dim=3)
            why = "log-probabilities: log_softmax over V"
            ones = torch.ones(2, 3, 4)
            expect_close(f"{call}: sum of exp(log_probs) over V", sums, ones, why)
            why = "recur, query, attend, tanh(combine([hidden, context])), output: "
            why += "each row by itself"
            expect_close(f"{call}: log_probs", result["log_probs"], log_probs, why)
            for b, length in enumerate(Reading.LENGTHS):
                got = result["weights"][b, :, :, :length]
                why = "the mean over the heads of what attend returns, each row its own"
                name = f"{call}: weights of utterance {b}"
                expect_close(name, got, wanted[b][2], why)
            why = "the gradient must reach every weight: no no_grad, no detach"
            name = f"{call}: weights without a gradient"
            expect(name, result["unmoved"], [], why)
        with part("the state"):
            why = "what recur returned, for all symbols"
            expect_close(f"{call}: state.hidden", result["hidden"], hidden, why)
            pieces = torch.cat(result["pieces"], dim=2)
            why = "a later call goes on from the state of the earlier: give it to recur"
            name = "decoder of 2 symbols, then 1, then 1, with the state: log_probs"
            expect_close(name, pieces, log_probs, why)
        with part("dropout"):
            name = f"{call}: log_probs of a second call in evaluation"
            why = "no dropout in evaluation: self.dropout knows the mode"
            expect_close(name, result["again"], result["log_probs"].detach(), why, 1e-6)
            bias = inputs["weights"]["output.bias"].log_softmax(0)
            name = f"{call}, training, everything dropped: log_probs"
            why = "dropout stands right before the output layer: its bias remains"
            expect_close(name, result["dropped"], bias.expand(2, 3, 4, 7), why)
            name = f"{call}, training, everything dropped: state.hidden"
            why = "the state is not dropped"
            expect_close(name, result["kept"], hidden, why)

    @staticmethod
    def by_hand(inputs: Values, b: int) -> list[Tensor]:
        """Compute log-probabilities, states and weights of the rows of utterance b."""
        frames = inputs["frames"][: Reading.LENGTHS[b], b]
        heads = Reading.SIZES[3]
        rows = [
            read_by_hand(inputs["weights"], row, frames, int(heads))
            for row in inputs["symbols"][b].tolist()
        ]
        return [torch.stack(column) for column in zip(*rows)]


class Table(nn.Module):
    """A decoder that looks up what follows: by utterance, step and symbol.

    Args:
        log_probs: (utterances, steps, V, V).
    """

    def __init__(self, log_probs: Tensor) -> None:
        super().__init__()
        self.log_probs = nn.Parameter(log_probs, requires_grad=False)
        self.n_calls = 0

    def memory(self, utterances: list[int], n_frames: int) -> Memory:
        """Make a memory that says which utterances these are."""
        numbers = torch.tensor(utterances).float().view(1, -1, 1, 1, 1)
        keys = numbers.expand(-1, -1, -1, n_frames, -1)  # (L, B, N, T', D)
        mask = torch.ones(len(utterances), n_frames, dtype=torch.bool)
        return Memory(keys, keys, mask)

    def forward(
        self, symbols: Tensor, memory: Memory, state: RecurrentState | None = None
    ) -> Decoded:
        """Read symbols (B, R, U); the state is the number of symbols read before."""
        self.n_calls += 1
        first = torch.zeros(symbols.shape[:2]) if state is None else state.hidden
        first = first.reshape(*symbols.shape[:2], -1)[:, :, -1:]  # (B, R, 1)
        steps = first + torch.arange(symbols.shape[2])  # (B, R, U)
        utterances = memory.keys[0, :, 0, 0, 0].long().view(-1, 1, 1)
        last = self.log_probs.shape[1] - 1
        found = self.log_probs[utterances, steps.long().clamp(max=last), symbols]
        weights = memory.mask[:, None, None].float().expand(*symbols.shape, -1)
        return Decoded(found, RecurrentState((steps + 1).unsqueeze(3)), weights)


class Greedy(Check):
    """The best symbols of a table, looked up one after the other."""

    START, END, EXCLUDED = 2, 4, (0, 2)
    LIMITS = (7, 5, 4, 2, 1, 6)
    # After how many symbols the end comes: early, never, at the limit, past it, first.
    ENDS = (3, 99, 4, 3, 1, 6)
    ROOM = 60  # the limit of an utterance that ends after three symbols

    @staticmethod
    def inputs(generator: Generator) -> Values:
        table = normal(generator, 6, 9, 6, 6)  # (utterances, steps, V, V)
        table[..., list(Greedy.EXCLUDED)] += 4  # mostly best, if they were allowed
        table[..., Greedy.END] = -9
        for b, n in enumerate(Greedy.ENDS):
            table[b, n - 1 : n, :, Greedy.END] = 9
        return {"table": table.log_softmax(dim=3)}

    @staticmethod
    def probe(lab: Lab, inputs: Values) -> Values:
        def write(utterances: list[int], limits: list[int]) -> tuple[list, int]:
            decoder = Table(inputs["table"])
            found = lab.seq2seq.greedy_attention(
                decoder,
                decoder.memory(utterances, 8),
                torch.tensor(limits),
                Greedy.START,
                Greedy.END,
                Greedy.EXCLUDED,
            )
            written = [[int(symbol) for symbol in row] for row in found]
            return written, decoder.n_calls

        limits = [*map(int, Greedy.LIMITS)]
        with torch.inference_mode():
            return {
                "alone": [write([b], [n])[0] for b, n in enumerate(limits)],
                "together": write(list(range(6)), limits)[0],
                "calls": write([0], [Greedy.ROOM])[1],
            }

    @staticmethod
    def judge(inputs: Values, result: Values) -> None:
        wanted = [Greedy.looked_up(inputs["table"], b) for b in range(6)]
        start, end, excluded = Greedy.START, Greedy.END, Greedy.EXCLUDED
        with part("one utterance"):
            for b, want in enumerate(wanted):
                call = f"greedy_attention of one utterance, limit {Greedy.LIMITS[b]}, "
                call += f"start {start}, end {end}, excluded {excluded}"
                expect(call, result["alone"][b], [want], Greedy.reason(want))
            call = f"one that ends after 3 symbols, limit {Greedy.ROOM}: calls"
            why = "stop when every utterance has ended"
            calls = result["calls"]
            expect_that(calls < 10, call, "3, or a few more", calls, why)
        with part("a batch"):
            call = f"greedy_attention of limits {Greedy.LIMITS}"
            expect(f"{call}: utterances", len(result["together"]), 6, "each has a row")
            for b, want in enumerate(wanted):
                why = "the same alone and in a batch: each has its own end and limit"
                got = result["together"][b]
                expect(f"{call}, end {end}: utterance {b}", got, want, why)

    @staticmethod
    def reason(want: list[int]) -> str:
        """Say what makes this string right."""
        if want[-1] != Greedy.END:
            return "no end within the limit: as many symbols as the limit says"
        if len(want) == 1:
            return "the end is the last symbol of the result, here the only one"
        return "the best symbol that is not excluded, after the state; up to the end"

    @staticmethod
    def looked_up(table: Tensor, b: int) -> list[int]:
        """Write the string of one utterance."""
        written, symbol = [], Greedy.START
        for step in range(Greedy.LIMITS[b]):
            row = table[b, step, symbol].tolist()
            allowed = [k for k in range(6) if k not in Greedy.EXCLUDED]
            symbol = max(allowed, key=lambda k: row[k])
            written.append(symbol)
            if symbol == Greedy.END:
                break
        return written
