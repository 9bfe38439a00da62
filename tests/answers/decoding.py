"""Answers to the exercises of ``decoding.py``."""

SHEET = """
@E20 wrong blanks-first
@mistake drops the blanks before it merges
@mentions merge first
kept = [k for k in path if k != blank]
return [k for i, k in enumerate(kept) if i == 0 or k != kept[i - 1]]

@E20 wrong last-kept-symbol
@mistake compares with the last symbol kept, across the blanks
@mentions merge first
result = []
for k in path:
    if k != blank and (not result or k != result[-1]):
        result.append(k)
return result

@E20 wrong blanks-only
@mistake drops the blanks, merges nothing
return [k for k in path if k != blank]

@E20 wrong blanks-kept
@mistake merges, and keeps the blanks
@mentions then the blanks
from itertools import groupby

return [k for k, _ in groupby(path)]

@E20 wrong blank-is-zero
@mistake takes 0 for the blank, whatever the argument says
@mentions blank=3
return [k for i, k in enumerate(path) if k and (i == 0 or k != path[i - 1])]

@E20 wrong first-lost
@mistake compares pairs of neighbours, and loses the first symbol
return [b for a, b in zip(path, path[1:]) if a != b and b != blank]

@E20 wrong empty-path
@mistake reads the first symbol of an empty path: raises
@mentions IndexError
merged = [path[0]]
for k in path[1:]:
    if k != merged[-1]:
        merged.append(k)
return [k for k in merged if k != blank]

@E20 wrong a-set
@mistake makes a set of the symbols
return [k for k in set(path) if k != blank]

@E20 wrong blanks-removed-in-place
@mistake removes the blanks first, from the caller's list
@mentions merge first
while blank in path:
    path.remove(blank)
return [k for i, k in enumerate(path) if i == 0 or k != path[i - 1]]

@E20 right groupby
from itertools import groupby

return [symbol for symbol, run in groupby(path) if symbol != blank]

@E20 right remembers-the-previous
out = []
prev = blank
for k in path:
    if k != prev and k != blank:
        out.append(k)
    prev = k
return out

@E20 right unique-consecutive
merged = torch.unique_consecutive(torch.tensor(path, dtype=torch.long))
return merged[merged != blank].tolist()


@E21 wrong positive-sign
@mistake forgets the minus: a log-probability, not a cost
@mentions minus the sum
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (best[:n, b].sum().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E21 wrong padding-in-the-cost
@mistake adds up the cost over the padding too
@mentions cost 0
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
costs = -best.sum(dim=0)
return [
    (costs[b].item(), path[:n, b].tolist()) for b, n in enumerate(lengths.tolist())
]

@E21 wrong padding-in-the-path
@mistake does not cut the path at the utterance's end
@mentions its own frames
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (-best[:n, b].sum().item(), path[:, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E21 wrong softmax-over-time
@mistake normalises over time
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(dim=0).max(dim=2)
return [
    (-best[:n, b].sum().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E21 wrong raw-scores
@mistake adds up scores that are no log-probabilities
@mentions log-probabilities
padded, lengths = pad_packed_sequence(scores)
best, path = padded.max(dim=2)
return [
    (-best[:n, b].sum().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E21 wrong mean-cost
@mistake divides the cost by the number of frames
@mentions sum
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (-best[:n, b].mean().item(), path[:n, b].tolist())
    for b, n in enumerate(lengths.tolist())
]

@E21 wrong collapsed-already
@mistake merges the symbols of the path
@mentions each of its own frames
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (-best[:n, b].sum().item(), collapse(path[:n, b].tolist(), 0))
    for b, n in enumerate(lengths.tolist())
]

@E21 wrong path-first
@mistake returns the path before its cost
padded, lengths = pad_packed_sequence(scores)
best, path = padded.log_softmax(2).max(2)
return [
    (path[:n, b].tolist(), -best[:n, b].sum().item())
    for b, n in enumerate(lengths.tolist())
]

@E21 right one-utterance-at-a-time
padded, lengths = pad_packed_sequence(scores, batch_first=True)
result = []
for frames, n in zip(padded, lengths):
    log_probs = torch.log_softmax(frames[:n], dim=-1)
    path = log_probs.argmax(dim=-1)
    cost = -log_probs.gather(1, path.unsqueeze(1)).sum()
    result.append((float(cost), path.tolist()))
return result

@E21 right masked-product
padded, lengths = pad_packed_sequence(scores)
probs, symbols = torch.softmax(padded, 2).max(2)
inside = torch.arange(len(probs)).unsqueeze(1) < lengths
costs = -torch.where(inside, probs, torch.ones_like(probs)).log().sum(0)
paths = [symbols[inside[:, b], b].tolist() for b in range(len(lengths))]
return list(zip(costs.tolist(), paths))
"""
