"""Answers to the exercises of ``decoding.py``."""

SHEET = """
@E08 wrong blanks-first
@mistake drops the blanks before it merges
@mentions merge repeated symbols first
kept = [k for k in path if k != blank]
return [k for i, k in enumerate(kept) if i == 0 or k != kept[i - 1]]

@E08 wrong last-kept-symbol
@mistake compares with the last symbol kept, across the blanks
@mentions merge repeated symbols first
result = []
for k in path:
    if k != blank and (not result or k != result[-1]):
        result.append(k)
return result

@E08 wrong blanks-only
@mistake drops the blanks, merges nothing
return [k for k in path if k != blank]

@E08 wrong blanks-kept
@mistake merges, and keeps the blanks
@mentions then remove the blanks
from itertools import groupby

return [k for k, _ in groupby(path)]

@E08 wrong blank-is-zero
@mistake takes 0 for the blank, whatever the argument says
@mentions blank=3
return [k for i, k in enumerate(path) if k and (i == 0 or k != path[i - 1])]

@E08 wrong first-lost
@mistake compares pairs of neighbours, and loses the first symbol
return [b for a, b in zip(path, path[1:]) if a != b and b != blank]

@E08 wrong empty-path
@mistake reads the first symbol of an empty path: raises
@mentions IndexError
merged = [path[0]]
for k in path[1:]:
    if k != merged[-1]:
        merged.append(k)
return [k for k in merged if k != blank]

@E08 wrong a-set
@mistake makes a set of the symbols
return [k for k in set(path) if k != blank]

@E08 wrong blanks-removed-in-place
@mistake removes the blanks first, from the caller's list
@mentions merge repeated symbols first
while blank in path:
    path.remove(blank)
return [k for i, k in enumerate(path) if i == 0 or k != path[i - 1]]

@E08 right groupby
from itertools import groupby

return [symbol for symbol, run in groupby(path) if symbol != blank]

@E08 right remembers-the-previous
out = []
prev = blank
for k in path:
    if k != prev and k != blank:
        out.append(k)
    prev = k
return out

@E08 right unique-consecutive
merged = torch.unique_consecutive(torch.tensor(path, dtype=torch.long))
return merged[merged != blank].tolist()


@E12 wrong positive-sign
@mistake forgets the minus: a log-probability, not a cost
@mentions minus the sum
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (best[:n, b].sum().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong padding-in-the-cost
@mistake adds up the cost over the padding too
@mentions cost 0
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
costs = -best.sum(dim=0)
return [
    (costs[b].item(), path[:n, b].tolist()) for b, n in enumerate(lengths.tolist())
]

@E12 wrong padding-in-the-path
@mistake does not cut the path at the utterance's end
@mentions its own frames
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (-best[:n, b].sum().item(), path[:, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong softmax-over-time
@mistake normalises over time
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(dim=0).max(dim=2)
return [
    (-best[:n, b].sum().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong raw-scores
@mistake adds up scores that are no log-probabilities
@mentions log-probabilities
padded, lengths = pad_packed_sequence(scores)
best, path = padded.max(dim=2)
return [
    (-best[:n, b].sum().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong mean-cost
@mistake divides the cost by the number of frames
@mentions sum
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (-best[:n, b].mean().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong collapsed-already
@mistake merges the symbols of the path
@mentions each of its own frames
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (-best[:n, b].sum().item(), collapse(path[:n, b].tolist(), 0))
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong path-first
@mistake returns the path before its cost
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (path[:n, b].tolist(), -best[:n, b].sum().item())
    for b, n in enumerate(lengths.tolist())
]

@E12 wrong cost-of-single-precision
@mistake returns a number of NumPy that is no float: JSON cannot hold it
@mentions .item()
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
best = best.detach().numpy()
return [(-best[:n, b].sum(), path[:n, b].tolist()) for b, n in enumerate(lengths)]

@E12 right cost-of-numpy
padded, lengths = pad_packed_sequence(scores)
best, path = padded.double().log_softmax(2).max(2)
best = best.detach().numpy()
return [(-best[:n, b].sum(), path[:n, b].tolist()) for b, n in enumerate(lengths)]

@E12 right one-utterance-at-a-time
padded, lengths = pad_packed_sequence(scores, batch_first=True)
result = []
for frames, n in zip(padded, lengths):
    log_probs = torch.log_softmax(frames[:n], dim=-1)
    path = log_probs.argmax(dim=-1)
    cost = -log_probs.gather(1, path.unsqueeze(1)).sum()
    result.append((float(cost), path.tolist()))
return result

@E12 right masked-product
padded, lengths = pad_packed_sequence(scores)
probs, symbols = torch.softmax(padded, 2).max(2)
inside = torch.arange(len(probs)).unsqueeze(1) < lengths
costs = -torch.where(inside, probs, torch.ones_like(probs)).log().sum(0)
paths = [symbols[inside[:, b], b].tolist() for b in range(len(lengths))]
return list(zip(costs.tolist(), paths))


@E23 wrong grows-from-all-paths
@mistake lets a symbol come a second time after itself, without a blank in between
@mentions a symbol twice in a row
sums = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        longer = prefix if symbol == blank else (*prefix, symbol)
        old = sums.get(longer, (-math.inf, -math.inf))
        if symbol == blank:
            sums[longer] = (log_add(old[0], both + log_prob), old[1])
        else:
            sums[longer] = (old[0], log_add(old[1], both + log_prob))
    if prefix:
        old = sums[prefix]
        sums[prefix] = (old[0], log_add(old[1], with_symbol + frame[prefix[-1]]))
return sums

@E23 wrong repeat-does-not-stay
@mistake a symbol that goes on does not leave the prefix as it is
@mentions its last symbol goes on
sums = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        longer = prefix if symbol == blank else (*prefix, symbol)
        b, s = sums.get(longer, (-math.inf, -math.inf))
        if symbol == blank:
            b = log_add(b, both + log_prob)
        elif prefix and symbol == prefix[-1]:
            s = log_add(s, with_blank + log_prob)
        else:
            s = log_add(s, both + log_prob)
        sums[longer] = b, s
return sums

@E23 wrong repeat-never-grows
@mistake merges a symbol with the one before, even across a blank
@mentions each symbol
ends_blank, ends_symbol = {}, {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    ends_blank[prefix] = both + frame[blank]
    for symbol, log_prob in enumerate(frame):
        if symbol != blank:
            longer = tuple(collapse((*prefix, symbol), blank))
            before = ends_symbol.get(longer, -math.inf)
            ends_symbol[longer] = log_add(before, both + log_prob)
return {
    p: (ends_blank.get(p, -math.inf), ends_symbol.get(p, -math.inf))
    for p in {**ends_blank, **ends_symbol}
}

@E23 wrong stays-with-all-paths
@mistake the last symbol goes on after a blank too, and keeps the prefix as it is
@mentions its last symbol goes on
sums = {}


def add(prefix, place, log_prob):
    pair = sums.setdefault(prefix, [-math.inf, -math.inf])
    pair[place] = log_add(pair[place], log_prob)


for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    add(prefix, 0, both + frame[blank])
    if prefix:
        add(prefix, 1, both + frame[prefix[-1]])
    for symbol in range(len(frame)):
        if symbol != blank:
            double = prefix and symbol == prefix[-1]
            add((*prefix, symbol), 1, (with_blank if double else both) + frame[symbol])
return {prefix: tuple(pair) for prefix, pair in sums.items()}

@E23 wrong best-path-alone
@mistake keeps the best way to a prefix instead of adding all ways up
@mentions log_add
ends_blank, ends_symbol = {}, {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = max(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        longer = (*prefix, symbol)
        if symbol == blank:
            ends_blank[prefix] = both + log_prob
        elif longer[-2:] == (symbol, symbol):
            ends_symbol[prefix] = max(
                with_symbol + log_prob, ends_symbol.get(prefix, -math.inf)
            )
            ends_symbol[longer] = max(
                with_blank + log_prob, ends_symbol.get(longer, -math.inf)
            )
        else:
            ends_symbol[longer] = max(
                both + log_prob, ends_symbol.get(longer, -math.inf)
            )
return {
    p: (ends_blank.get(p, -math.inf), ends_symbol.get(p, -math.inf))
    for p in {**ends_blank, **ends_symbol}
}

@E23 wrong overwrites
@mistake a second way to a prefix overwrites the first
@mentions two ways lead to it
new = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    goes_on = with_symbol + frame[prefix[-1]] if prefix else -math.inf
    new[prefix] = (both + frame[blank], goes_on)
    for symbol, log_prob in enumerate(frame):
        if symbol != blank:
            double = prefix and symbol == prefix[-1]
            paths = with_blank if double else both
            new[(*prefix, symbol)] = (-math.inf, paths + log_prob)
return new

@E23 wrong keeps-the-first-way
@mistake ignores a second way to a prefix
@mentions all its paths
new = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    goes_on = with_symbol + frame[prefix[-1]] if prefix else -math.inf
    new.setdefault(prefix, (both + frame[blank], goes_on))
    for symbol, log_prob in enumerate(frame):
        if symbol != blank:
            double = prefix and symbol == prefix[-1]
            paths = with_blank if double else both
            new.setdefault((*prefix, symbol), (-math.inf, paths + log_prob))
return new

@E23 wrong no-blank-path
@mistake forgets that a blank may come
@mentions a blank after each
new = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        if symbol == blank:
            continue
        steps = [((*prefix, symbol), both)]
        if prefix and symbol == prefix[-1]:
            steps = [(prefix, with_symbol), ((*prefix, symbol), with_blank)]
        for longer, paths in steps:
            b, s = new.get(longer, (-math.inf, -math.inf))
            new[longer] = b, log_add(s, paths + log_prob)
return new

@E23 wrong sums-swapped
@mistake returns the sum of the paths that end with a symbol first
@mentions in this order
ends_blank, ends_symbol = {}, {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        steps = [(ends_symbol, (*prefix, symbol), both)]
        if symbol == blank:
            steps = [(ends_blank, prefix, both)]
        elif prefix and symbol == prefix[-1]:
            steps = [
                (ends_symbol, prefix, with_symbol),
                (ends_symbol, (*prefix, symbol), with_blank),
            ]
        for sums, longer, paths in steps:
            sums[longer] = log_add(sums.get(longer, -math.inf), paths + log_prob)
return {
    p: (ends_symbol.get(p, -math.inf), ends_blank.get(p, -math.inf))
    for p in {**ends_blank, **ends_symbol}
}

@E23 wrong blank-is-zero
@mistake takes 0 for the blank, whatever the argument says
@mentions blank=2
new = {}


def add(prefix, place, log_prob):
    pair = new.setdefault(prefix, [-math.inf, -math.inf])
    pair[place] = log_add(pair[place], log_prob)


for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    add(prefix, 0, both + frame[0])
    for symbol in range(1, len(frame)):
        if prefix and symbol == prefix[-1]:
            add(prefix, 1, with_symbol + frame[symbol])
            add((*prefix, symbol), 1, with_blank + frame[symbol])
        else:
            add((*prefix, symbol), 1, both + frame[symbol])
return {prefix: tuple(pair) for prefix, pair in new.items()}

@E23 wrong grows-the-beam-it-walks
@mistake adds the longer prefixes to the beam that it walks through
@mentions changed size
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        if symbol == blank:
            beam[prefix] = (both + log_prob, beam[prefix][1])
        else:
            b, s = beam.get((*prefix, symbol), (-math.inf, -math.inf))
            beam[(*prefix, symbol)] = (b, log_add(s, both + log_prob))
return beam

@E23 wrong starts-from-the-old-sums
@mistake adds the longer paths to the sums of the shorter ones
@mentions no others
new = {prefix: list(ends) for prefix, ends in beam.items()}


def add(prefix, place, log_prob):
    pair = new.setdefault(prefix, [-math.inf, -math.inf])
    pair[place] = log_add(pair[place], log_prob)


for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        if symbol == blank:
            add(prefix, 0, both + log_prob)
        elif prefix and symbol == prefix[-1]:
            add(prefix, 1, with_symbol + log_prob)
            add((*prefix, symbol), 1, with_blank + log_prob)
        else:
            add((*prefix, symbol), 1, both + log_prob)
return {prefix: tuple(pair) for prefix, pair in new.items()}

@E23 wrong multiplies-instead-of-adding
@mistake adds logarithms where probabilities must be added
@mentions log_add
ends_blank, ends_symbol = {}, {}


def add(sums, prefix, log_prob):
    sums[prefix] = sums.get(prefix, 0.0) + log_prob


for prefix, (with_blank, with_symbol) in beam.items():
    both = with_blank + with_symbol if prefix else with_blank
    for symbol, log_prob in enumerate(frame):
        if symbol == blank:
            add(ends_blank, prefix, both + log_prob)
        elif prefix and symbol == prefix[-1]:
            add(ends_symbol, prefix, with_symbol + log_prob)
            add(ends_symbol, (*prefix, symbol), with_blank + log_prob)
        else:
            add(ends_symbol, (*prefix, symbol), both + log_prob)
return {
    p: (ends_blank.get(p, -math.inf), ends_symbol.get(p, -math.inf))
    for p in {**ends_blank, **ends_symbol}
}

@E23 wrong leaves-the-logarithms
@mistake adds up probabilities, which vanish after many frames
@mentions exp() of the sums is 0
new = {}
for prefix, ends in beam.items():
    with_blank, with_symbol = map(math.exp, ends)
    for symbol, log_prob in enumerate(frame):
        p = math.exp(log_prob)
        if symbol == blank:
            steps = [(prefix, 0, (with_blank + with_symbol) * p)]
        elif prefix and symbol == prefix[-1]:
            longer = (*prefix, symbol)
            steps = [(prefix, 1, with_symbol * p), (longer, 1, with_blank * p)]
        else:
            steps = [((*prefix, symbol), 1, (with_blank + with_symbol) * p)]
        for longer, place, mass in steps:
            new.setdefault(longer, [0.0, 0.0])[place] += mass
return {
    prefix: tuple(math.log(p) if p else -math.inf for p in pair)
    for prefix, pair in new.items()
}

@E23 wrong returns-probabilities
@mistake returns probabilities, not their logarithms
@mentions logarithm
new = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        if symbol == blank:
            steps = [(prefix, 0, both)]
        elif prefix and symbol == prefix[-1]:
            steps = [(prefix, 1, with_symbol), ((*prefix, symbol), 1, with_blank)]
        else:
            steps = [((*prefix, symbol), 1, both)]
        for longer, place, paths in steps:
            new.setdefault(longer, [0.0, 0.0])[place] += math.exp(paths + log_prob)
return {prefix: tuple(pair) for prefix, pair in new.items()}

@E23 wrong parent-must-be-there
@mistake looks the parent of each prefix up, which may have been pruned
@mentions KeyError
new = {}
longer = {(*p, k) for p in beam for k in range(len(frame)) if k != blank}
for prefix in longer | set(beam):
    with_blank, with_symbol = beam.get(prefix, (-math.inf, -math.inf))
    stays = log_add(with_blank, with_symbol) + frame[blank]
    if not prefix:
        new[prefix] = (stays, -math.inf)
        continue
    last = prefix[-1]
    parent_blank, parent_symbol = beam[prefix[:-1]]
    if prefix[-2:-1] == (last,):
        parent_symbol = -math.inf
    paths = log_add(log_add(parent_blank, parent_symbol), with_symbol)
    new[prefix] = (stays, paths + frame[last])
return new

@E23 wrong prefixes-as-lists
@mistake makes lists of the prefixes: no keys of a dictionary
@mentions unhashable
new = {}
for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    new[prefix] = (both + frame[blank], -math.inf)
    for symbol, log_prob in enumerate(frame):
        new[list(prefix) + [symbol]] = (-math.inf, both + log_prob)
return new

@E23 wrong blank-among-the-symbols
@mistake lengthens the prefix by the blank too
@mentions but the blank
new = {}


def add(prefix, place, log_prob):
    pair = new.setdefault(prefix, [-math.inf, -math.inf])
    pair[place] = log_add(pair[place], log_prob)


for prefix, (with_blank, with_symbol) in beam.items():
    both = log_add(with_blank, with_symbol)
    add(prefix, 0, both + frame[blank])
    for symbol, log_prob in enumerate(frame):
        if prefix and symbol == prefix[-1]:
            add(prefix, 1, with_symbol + log_prob)
            add((*prefix, symbol), 1, with_blank + log_prob)
        else:
            add((*prefix, symbol), 1, both + log_prob)
return {prefix: tuple(pair) for prefix, pair in new.items()}

@E23 right each-prefix-asks-where-it-comes-from
nothing = (-math.inf, -math.inf)
grown = [(*prefix, k) for prefix in beam for k in range(len(frame)) if k != blank]
new = {}
for prefix in [*beam, *grown]:
    with_blank, with_symbol = beam.get(prefix, nothing)
    ends_blank = log_add(with_blank, with_symbol) + frame[blank]
    ends_symbol = -math.inf
    if prefix:
        parent_blank, parent_symbol = beam.get(prefix[:-1], nothing)
        if len(prefix) > 1 and prefix[-2] == prefix[-1]:
            parent_symbol = -math.inf
        paths = log_add(with_symbol, log_add(parent_blank, parent_symbol))
        ends_symbol = paths + frame[prefix[-1]]
    new[prefix] = ends_blank, ends_symbol
return new

@E23 right all-ways-listed-then-logsumexp
from collections import defaultdict

ways = defaultdict(lambda: ([-math.inf], [-math.inf]))
for prefix, ends in beam.items():
    for symbol, log_prob in enumerate(frame):
        for ended_with_symbol, mass in enumerate(ends):
            if symbol == blank:
                ways[prefix][0].append(mass + log_prob)
            elif ended_with_symbol and prefix[-1:] == (symbol,):
                ways[prefix][1].append(mass + log_prob)
            else:
                ways[(*prefix, symbol)][1].append(mass + log_prob)
return {
    prefix: tuple(torch.tensor(w, dtype=torch.double).logsumexp(0).item() for w in ends)
    for prefix, ends in ways.items()
}

@E23 right impossible-paths-left-out
new = {}


def add(prefix, place, paths, symbol):
    if paths > -math.inf:
        pair = new.setdefault(prefix, [-math.inf, -math.inf])
        pair[place] = log_add(pair[place], paths + frame[symbol])


for prefix, (with_blank, with_symbol) in beam.items():
    for symbol in range(len(frame)):
        if symbol == blank:
            add(prefix, 0, with_blank, blank)
            add(prefix, 0, with_symbol, blank)
        else:
            add((*prefix, symbol), 1, with_blank, symbol)
            double = prefix and prefix[-1] == symbol
            add(prefix if double else (*prefix, symbol), 1, with_symbol, symbol)
return {prefix: tuple(pair) for prefix, pair in new.items()}

@E23 right a-large-negative-number
NEVER = -1e30
new = {}
for prefix, ends in beam.items():
    with_blank, with_symbol = (max(end, NEVER) for end in ends)
    both = log_add(with_blank, with_symbol)
    old = new.get(prefix, (NEVER, NEVER))
    goes_on = with_symbol + frame[prefix[-1]] if prefix else NEVER
    new[prefix] = (log_add(old[0], both + frame[blank]), log_add(old[1], goes_on))
    for symbol in sorted(set(range(len(frame))) - {blank}):
        paths = with_blank if prefix[-1:] == (symbol,) else both
        old = new.get(prefix + (symbol,), (NEVER, NEVER))
        new[prefix + (symbol,)] = (old[0], log_add(old[1], paths + frame[symbol]))
return new

@E23 wrong tensors-as-sums
@mistake returns tensors, which the decoders refuse afterwards
@mentions .item()
new = {}
for prefix, ends in beam.items():
    ends = torch.tensor(ends)
    for symbol, log_prob in enumerate(torch.tensor(frame)):
        steps = [((*prefix, symbol), torch.tensor([-math.inf, ends.logsumexp(0)]))]
        if symbol == blank:
            steps = [(prefix, torch.tensor([ends.logsumexp(0), -math.inf]))]
        elif prefix and prefix[-1] == symbol:
            steps = [
                (prefix, torch.tensor([-math.inf, ends[1]])),
                ((*prefix, symbol), torch.tensor([-math.inf, ends[0]])),
            ]
        for longer, paths in steps:
            old = new.get(longer, torch.full((2,), -math.inf))
            new[longer] = torch.logaddexp(old, paths + log_prob)
return new

@E23 wrong takes-the-beam-apart
@mistake empties the beam, which belongs to the caller
@mentions must stay as it was
ends_blank, ends_symbol = {}, {}


def add(sums, prefix, log_prob):
    sums[prefix] = log_add(sums.get(prefix, -math.inf), log_prob)


while beam:
    prefix, (with_blank, with_symbol) = beam.popitem()
    both = log_add(with_blank, with_symbol)
    for symbol, log_prob in enumerate(frame):
        if symbol == blank:
            add(ends_blank, prefix, both + log_prob)
        elif prefix[-1:] == (symbol,):
            add(ends_symbol, prefix, with_symbol + log_prob)
            add(ends_symbol, (*prefix, symbol), with_blank + log_prob)
        else:
            add(ends_symbol, (*prefix, symbol), both + log_prob)
return {
    p: (ends_blank.get(p, -math.inf), ends_symbol.get(p, -math.inf))
    for p in {**ends_blank, **ends_symbol}
}

@E23 right in-single-precision
new = {}
for prefix, ends in beam.items():
    ends = torch.tensor(ends)
    for symbol, log_prob in enumerate(torch.tensor(frame)):
        steps = [((*prefix, symbol), torch.tensor([-math.inf, ends.logsumexp(0)]))]
        if symbol == blank:
            steps = [(prefix, torch.tensor([ends.logsumexp(0), -math.inf]))]
        elif prefix and prefix[-1] == symbol:
            steps = [
                (prefix, torch.tensor([-math.inf, ends[1]])),
                ((*prefix, symbol), torch.tensor([-math.inf, ends[0]])),
            ]
        for longer, paths in steps:
            old = new.get(longer, torch.full((2,), -math.inf))
            new[longer] = torch.logaddexp(old, paths + log_prob)
return {prefix: tuple(pair.tolist()) for prefix, pair in new.items()}


@E24 wrong lowest-kept
@mistake sorts from the lowest score, as sorted() does
@mentions rank by scores
best = sorted(candidates, key=scores.get)[:beam_size]
return {prefix: candidates[prefix] for prefix in best}

@E24 wrong sorted-by-the-sums
@mistake ranks by the acoustic sums, and ignores the scores
@mentions rank by scores
best = sorted(candidates, key=lambda p: log_add(*candidates[p]), reverse=True)
return {prefix: candidates[prefix] for prefix in best[:beam_size]}

@E24 wrong order-lost
@mistake keeps the right ones in the order in which they came
@mentions the highest first
best = set(sorted(candidates, key=scores.get, reverse=True)[:beam_size])
return {prefix: ends for prefix, ends in candidates.items() if prefix in best}

@E24 wrong one-too-many
@mistake keeps beam_size + 1 candidates
@mentions beam_size=1
best = sorted(candidates, key=scores.get, reverse=True)
return {p: candidates[p] for i, p in enumerate(best) if i <= beam_size}

@E24 wrong as-a-threshold
@mistake keeps all that reach the score of the last one: more than fit, at a tie
@mentions same score
best = sorted(candidates, key=scores.get, reverse=True)
threshold = scores[best[min(beam_size, len(best)) - 1]]
return {p: candidates[p] for p in best if scores[p] >= threshold}

@E24 wrong scores-as-keys
@mistake looks prefixes up by their score: of two with the same score, one is lost
@mentions same score
by_score = {score: prefix for prefix, score in scores.items()}
best = [by_score[score] for score in sorted(by_score, reverse=True)]
return {prefix: candidates[prefix] for prefix in best[:beam_size]}

@E24 wrong exactly-beam-size
@mistake takes for granted that there are as many candidates as the beam holds
@mentions IndexError
left = dict(scores)
best = sorted(left, key=left.get)
return {p: candidates[p] for p in (best[-1 - k] for k in range(beam_size))}

@E24 wrong scores-for-sums
@mistake returns the scores in the place of the sums
@mentions stays as it was
best = sorted(scores.items(), key=lambda item: item[1], reverse=True)
return dict(best[:beam_size])

@E24 wrong a-list
@mistake returns a list of pairs
@mentions items
best = sorted(candidates, key=scores.get, reverse=True)[:beam_size]
return [(prefix, candidates[prefix]) for prefix in best]

@E24 wrong sorts-the-prefixes
@mistake sorts by prefix, not by score
@mentions rank by scores
best = sorted(candidates, reverse=True)[:beam_size]
return {prefix: candidates[prefix] for prefix in best}

@E24 wrong by-position
@mistake takes the order of two dictionaries to be the same
@mentions rank by scores
ranked = sorted(zip(scores.values(), candidates.items()), reverse=True)
return dict(item for _, item in ranked[:beam_size])

@E24 right heapq
import heapq

best = heapq.nlargest(beam_size, candidates, key=scores.get)
return {prefix: candidates[prefix] for prefix in best}

@E24 right the-worst-leave-one-by-one
scores = dict(scores)
while len(scores) > beam_size:
    del scores[min(scores, key=scores.get)]
kept = {}
while scores:
    best = max(scores, key=scores.get)
    kept[best] = candidates[best]
    del scores[best]
return kept

@E24 right pairs-sorted
pairs = [(-score, prefix) for prefix, score in scores.items()]
pairs.sort()
return {prefix: candidates[prefix] for _, prefix in pairs[:beam_size]}

@E24 right topk
prefixes = list(scores)
k = min(beam_size, len(prefixes))
_, places = torch.tensor([scores[p] for p in prefixes]).topk(k)
return {prefixes[i]: candidates[prefixes[i]] for i in places.tolist()}


@E25 wrong parent-weighted-too
@mistake weighs the parent's gain a second time
@mentions what its parent gained
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus * (prefix[-1] == fusion.space)
        fused[prefix] = fusion.lm_weight * (gain + log_prob) + bonus, state
return fused

@E25 wrong scores-at-every-frame
@mistake the model scores the last symbol again at every frame
@mentions no symbol is new
fused = {}
for prefix in candidates:
    gain, state = language.get(prefix, language.get(prefix[:-1]))
    if prefix:
        log_prob, state = fusion.lm.step(state, prefix[-1])
        gain += fusion.lm_weight * log_prob
        if prefix[-1] == fusion.space:
            gain += fusion.word_bonus
    fused[prefix] = gain, state
return fused

@E25 wrong looks-for-every-parent
@mistake computes the gain of each prefix from its parent, which may be pruned
@mentions KeyError
fused = {(): (0.0, fusion.lm.start)}
for prefix in candidates:
    if prefix:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
        fused[prefix] = gain + fusion.lm_weight * log_prob + bonus, state
return fused

@E25 wrong state-of-the-parent
@mistake hands the parent's state on
@mentions lm.step returns
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, _ = fusion.lm.step(state, prefix[-1])
        gain += fusion.lm_weight * log_prob
        if prefix[-1] == fusion.space:
            gain += fusion.word_bonus
        fused[prefix] = (gain, state)
return fused

@E25 wrong bonus-for-every-symbol
@mistake gives the bonus to every symbol
@mentions no space, no bonus
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        gain += fusion.lm_weight * log_prob + fusion.word_bonus
        fused[prefix] = (gain, state)
return fused

@E25 wrong bonus-weighted
@mistake multiplies the bonus by the weight
@mentions the bonus of a space
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        if prefix[-1] == fusion.space:
            log_prob += fusion.word_bonus
        fused[prefix] = (gain + fusion.lm_weight * log_prob, state)
return fused

@E25 wrong bonus-forgotten
@mistake forgets the bonus
@mentions the bonus of a space
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        fused[prefix] = (gain + fusion.lm_weight * log_prob, state)
return fused

@E25 wrong bonus-after-a-space
@mistake gives the bonus to the symbol after the space
@mentions bonus
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus if prefix[-2:-1] == (fusion.space,) else 0.0
        fused[prefix] = (gain + fusion.lm_weight * log_prob + bonus, state)
return fused

@E25 wrong bonus-of-all-spaces-again
@mistake counts the spaces of the whole prefix, on top of what the parent gained
@mentions no space, no bonus
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus * prefix.count(fusion.space)
        fused[prefix] = (gain + fusion.lm_weight * log_prob + bonus, state)
return fused

@E25 wrong no-weight
@mistake forgets the weight
@mentions lm_weight
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        step, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
        fused[prefix] = (gain + step + bonus, state)
return fused

@E25 wrong parent-forgotten
@mistake the gain of the last symbol alone
@mentions what its parent gained
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        _, state = language[prefix[:-1]]
        gain, state = fusion.lm.step(state, prefix[-1])
        gain *= fusion.lm_weight
        if prefix[-1] == fusion.space:
            gain += fusion.word_bonus
        fused[prefix] = (gain, state)
return fused

@E25 wrong asks-at-the-start
@mistake asks the model in its first state, always
@mentions its parent's state
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, _ = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(fusion.lm.start, prefix[-1])
        bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
        fused[prefix] = gain + fusion.lm_weight * log_prob + bonus, state
return fused

@E25 wrong new-ones-alone
@mistake returns the new candidates alone
@mentions each candidate
fused = {}
for prefix in candidates:
    if prefix not in language:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
        fused[prefix] = gain + fusion.lm_weight * log_prob + bonus, state
return fused

@E25 wrong walks-through-the-old-ones
@mistake goes through what has been scored, not through the candidates
@mentions each candidate
fused = {}
for prefix, (gain, state) in language.items():
    fused[prefix] = gain, state
    for symbol in range(2, fusion.lm.gain.shape[1]):
        if (*prefix, symbol) in candidates:
            log_prob, then = fusion.lm.step(state, symbol)
            fused[(*prefix, symbol)] = gain + fusion.lm_weight * log_prob, then
return fused

@E25 wrong end-counted-at-every-frame
@mistake lets the transcript end after each symbol
@mentions nothing gained
fused = {}
for prefix in candidates:
    spaces = sum(symbol == fusion.space for symbol in prefix)
    gain = fusion.lm_weight * fusion.lm.total(prefix) + fusion.word_bonus * spaces
    state = fusion.lm.start
    for symbol in prefix:
        state = fusion.lm.step(state, symbol)[1]
    fused[prefix] = gain, state
return fused

@E25 wrong state-before-gain
@mistake returns state and gain in the wrong order
@mentions (gain, state)
fused = {}
for prefix in candidates:
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        bonus = fusion.word_bonus if prefix[-1] == fusion.space else 0.0
        fused[prefix] = state, gain + fusion.lm_weight * log_prob + bonus
return fused

@E25 wrong acoustic-score-added
@mistake adds the sums of the paths, which the search adds itself
@mentions what its parent gained
fused = {}
for prefix, sums in candidates.items():
    if prefix in language:
        fused[prefix] = language[prefix]
    else:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        gain += log_add(*sums) + fusion.lm_weight * log_prob
        if prefix[-1] == fusion.space:
            gain += fusion.word_bonus
        fused[prefix] = gain, state
return fused

@E25 right in-place
for prefix in candidates:
    if prefix not in language:
        gain, state = language[prefix[:-1]]
        log_prob, state = fusion.lm.step(state, prefix[-1])
        if prefix[-1] == fusion.space:
            gain += fusion.word_bonus
        language[prefix] = (gain + fusion.lm_weight * log_prob, state)
return language

@E25 right whole-prefix-anew
fused = {}
for prefix in candidates:
    total, state = 0.0, fusion.lm.start
    for symbol in prefix:
        log_prob, state = fusion.lm.step(state, symbol)
        total += log_prob
    spaces = prefix.count(fusion.space)
    fused[prefix] = (fusion.lm_weight * total + spaces * fusion.word_bonus, state)
return fused

@E25 right tables-of-the-model
fused = {}
for prefix in candidates:
    known = language.get(prefix)
    if known is None:
        gain, state = language[prefix[:-1]]
        last = prefix[-1]
        gain = gain + fusion.lm_weight * fusion.lm.gain[state, last].item()
        gain = gain + (fusion.word_bonus, 0.0)[last != fusion.space]
        known = (gain, fusion.lm.next[state, last].item())
    fused[prefix] = known
return fused


@E26 wrong sum-alone
@mistake checks no more than that the probabilities add up to 1
@mentions exchanged
found = search(log_probs, 1000, blank)
return abs(sum(math.exp(one.score) for one in found) - 1) < 1e-4

@E26 wrong best-alone
@mistake checks the loss of the best transcript alone
@mentions exchanged
found = search(log_probs, 1000, blank)
scores = [one.score for one in found]
if not found or scores != sorted(scores, reverse=True):
    return False
if len(set(tuple(one.indices) for one in found)) != len(found):
    return False
best = found[0]
loss = F.ctc_loss(
    log_probs[:, None],
    torch.tensor([best.indices]).long(),
    torch.tensor([len(log_probs)]),
    torch.tensor([len(best.indices)]),
    blank=blank,
    reduction="sum",
)
total = sum(math.exp(score) for score in scores)
return abs(total - 1) < 1e-4 and abs(best.score + loss.item()) < 1e-4

@E26 wrong no-sum
@mistake does not see that a transcript is missing
@mentions lost
found = search(log_probs, 1000, blank)
seen = set()
last = math.inf
for one in found:
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="sum",
    )
    if tuple(one.indices) in seen or one.score > last:
        return False
    if abs(one.score + loss.item()) > 1e-4:
        return False
    seen.add(tuple(one.indices))
    last = one.score
return True

@E26 wrong accepts-nothing
@mistake accepts a search that finds nothing
@mentions nothing found
found = search(log_probs, 1000, blank)
total, last = 0.0, math.inf
for one in found:
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="sum",
    )
    total += math.exp(one.score)
    if one.score > last or abs(one.score + loss.item()) > 1e-4:
        return False
    if [other.indices for other in found].count(one.indices) > 1:
        return False
    last = one.score
return not found or abs(total - 1) < 1e-4

@E26 wrong no-order
@mistake does not check the order
@mentions the worst first
found = search(log_probs, 1000, blank)
if len({tuple(one.indices) for one in found}) < len(found):
    return False
for one in found:
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="sum",
    )
    if abs(one.score + loss.item()) > 1e-4:
        return False
return abs(sum(math.exp(one.score) for one in found) - 1) < 1e-4

@E26 wrong sign-of-the-loss
@mistake compares the scores with the losses, not with minus the losses
@mentions minus
found = search(log_probs, 1000, blank)
losses = [
    F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="sum",
    ).item()
    for one in found
]
scores = [one.score for one in found]
close = all(abs(a - b) < 1e-4 for a, b in zip(scores, losses))
right = scores == sorted(scores, reverse=True)
return bool(close and right and abs(sum(map(math.exp, scores)) - 1) < 1e-4)

@E26 wrong mean-loss
@mistake divides the loss by the length of the transcript
@mentions whole transcript
found = search(log_probs, 1000, blank)
losses = [
    F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
    ).item()
    for one in found
]
scores = [one.score for one in found]
close = all(abs(a + b) < 1e-4 for a, b in zip(scores, losses))
right = scores == sorted(scores, reverse=True)
return bool(close and right and abs(sum(map(math.exp, scores)) - 1) < 1e-4)

@E26 wrong beam-too-small
@mistake leaves the search no room for every transcript
@mentions room
found = search(log_probs, 10, blank)
scores = [one.score for one in found]
for one in found:
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="sum",
    )
    if abs(one.score + loss.item()) > 1e-4:
        return False
total = sum(map(math.exp, scores))
return scores == sorted(scores, reverse=True) and abs(total - 1) < 1e-4

@E26 wrong blank-is-zero
@mistake the CTC loss takes 0 for the blank
@mentions blank=2
found = search(log_probs, 1000, blank)
scores = [one.score for one in found]
for one in found:
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        reduction="sum",
    )
    if abs(one.score + loss.item()) > 1e-4:
        return False
total = sum(map(math.exp, scores))
return scores == sorted(scores, reverse=True) and abs(total - 1) < 1e-4

@E26 wrong always-true
@mistake says True to everything
@mentions must find
return True

@E26 wrong always-false
@mistake says False to everything
@mentions an exact search
return False

@E26 wrong last-verdict-alone
@mistake each transcript overwrites the verdict on the one before
@mentions must find
exact = False
for one in search(log_probs, 1000, blank):
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices], dtype=torch.long),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="sum",
    )
    exact = abs(one.score + loss.item()) < 1e-4
return exact

@E26 wrong no-answer
@mistake forgets the last return
@mentions None
found = search(log_probs, 1000, blank)
scores = [one.score for one in found]
if scores != sorted(scores, reverse=True):
    return False
if abs(sum(map(math.exp, scores)) - 1) > 1e-4:
    return False

@E26 wrong asserts
@mistake raises where it should answer
@mentions AssertionError
found = search(log_probs, 1000, blank)
scores = [one.score for one in found]
assert scores == sorted(scores, reverse=True)
assert abs(sum(map(math.exp, scores)) - 1) < 1e-4
return True

@E26 wrong own-search-as-the-judge
@mistake compares with the student's own search, which is what has to be tested
@mentions it cannot ask your own
n_frames, n_symbols = log_probs.shape
size = n_symbols**n_frames
found, mine = search(log_probs, size, blank), prefix_search(log_probs, size, blank)
pairs = zip(found, mine)
return len(found) == len(mine) and all(abs(a.score - b.score) < 1e-4 for a, b in pairs)

@E26 right every-path-by-hand
from itertools import product

n_frames, n_symbols = log_probs.shape
sums = {}
for path in product(range(n_symbols), repeat=n_frames):
    p = math.exp(sum(log_probs[t, k].item() for t, k in enumerate(path)))
    transcript = tuple(collapse(path, blank))
    sums[transcript] = sums.get(transcript, 0.0) + p
found = search(log_probs, len(sums), blank)
if sorted(tuple(one.indices) for one in found) != sorted(sums):
    return False
costs = [-one.score for one in found]
right = [abs(math.exp(f.score) - sums[tuple(f.indices)]) < 1e-4 for f in found]
return costs == sorted(costs) and all(right)

@E26 right one-transcript-at-a-time
room = sum(log_probs.shape[1] ** t for t in range(len(log_probs) + 1))
nbest = search(log_probs, beam_size=room, blank=blank)
total = 0.0
for rank, one in enumerate(nbest):
    if rank and one.score > nbest[rank - 1].score:
        return False
    if any(one.indices == other.indices for other in nbest[:rank]):
        return False
    cost = F.ctc_loss(
        log_probs,
        torch.tensor(one.indices, dtype=torch.long),
        torch.tensor(len(log_probs)),
        torch.tensor(len(one.indices)),
        blank,
        reduction="sum",
    )
    if not math.isclose(one.score, -cost.item(), abs_tol=1e-4):
        return False
    total += math.exp(-cost.item())
return math.isclose(total, 1, abs_tol=1e-4)

@E26 right all-losses-at-once
found = search(log_probs, 10**6, blank)
if not found or len({str(one.indices) for one in found}) < len(found):
    return False
scores = torch.tensor([one.score for one in found], dtype=torch.double)
targets = torch.tensor([k for one in found for k in one.indices], dtype=torch.long)
losses = F.ctc_loss(
    log_probs.double()[:, None].expand(-1, len(found), -1),
    targets,
    torch.full((len(found),), len(log_probs)),
    torch.tensor([len(one.indices) for one in found]),
    blank=blank,
    reduction="none",
)
close = (losses + scores).abs().max() < 1e-4
return close and scores.equal(scores.sort(descending=True)[0]) and (
    (scores.logsumexp(0)).abs() < 1e-4
)

@E26 wrong no-duplicates
@mistake leaves duplicates to the sum, which a lost one as probable makes right again
@mentions a transcript twice
found = search(log_probs, 3**10, blank)
if any(a.score < b.score for a, b in zip(found, found[1:])):
    return False
for one in found:
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([one.indices]).to(torch.int64),
        torch.tensor([log_probs.shape[0]]),
        torch.tensor([len(one.indices)]),
        blank,
        reduction="none",
    )
    if abs(one.score - -loss[0]) > 1e-4:
        return False
return abs(1 - sum(math.exp(one.score) for one in found)) < 1e-4
"""
