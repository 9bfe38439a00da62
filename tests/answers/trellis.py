"""Answers to the exercises of ``trellis.py``."""

SHEET = """
@E09 wrong skips-between-equal-symbols
@mistake leaves the blank out between two equal symbols too
@mentions the skip: between two equal symbols
states = torch.tensor(with_blanks(transcript, blank))
alpha = torch.full((len(states),), -math.inf)
alpha[:2] = log_probs[0, states[:2]]
for frame in log_probs[1:]:
    one = torch.cat([torch.tensor([-math.inf]), alpha[:-1]])
    two = torch.cat([torch.tensor([-math.inf] * 2), alpha])[: len(alpha)]
    two = two.masked_fill(states == blank, -math.inf)
    alpha = log_sum(torch.stack([alpha, one, two])) + frame[states]
return -log_sum(alpha[-2:])

@E09 wrong never-skips
@mistake passes through every blank
@mentions the skip: between two different symbols
states = torch.tensor(with_blanks(transcript, blank))
alpha = torch.full((len(states),), -math.inf)
alpha[:2] = log_probs[0, states[:2]]
for frame in log_probs[1:]:
    one = torch.cat([torch.tensor([-math.inf]), alpha[:-1]])
    alpha = log_sum(torch.stack([alpha, one])) + frame[states]
return -log_sum(alpha[-2:])

@E09 wrong starts-with-a-blank
@mistake every path starts in the first state
@mentions the start: a path may start in
states = torch.tensor(with_blanks(transcript, blank))
skips = torch.zeros(len(states), dtype=torch.bool)
skips[2:] = states[2:] != states[:-2]
alpha = torch.full((len(states),), -math.inf)
alpha[0] = log_probs[0, blank]
for frame in log_probs[1:]:
    one = F.pad(alpha, (1, 0), value=-math.inf)[:-1]
    two = F.pad(alpha, (2, 0), value=-math.inf)[:-2].masked_fill(~skips, -math.inf)
    alpha = log_sum(torch.stack([alpha, one, two])) + frame[states]
return -log_sum(alpha[-2:])

@E09 wrong ends-with-a-blank
@mistake every path ends in the last state
@mentions the end: a path may end in
states = torch.tensor(with_blanks(transcript, blank))
skips = torch.zeros(len(states), dtype=torch.bool)
skips[2:] = states[2:] != states[:-2]
alpha = torch.full((len(states),), -math.inf)
alpha[:2] = log_probs[0, states[:2]]
for frame in log_probs[1:]:
    one = F.pad(alpha, (1, 0), value=-math.inf)[:-1]
    two = F.pad(alpha, (2, 0), value=-math.inf)[:-2].masked_fill(~skips, -math.inf)
    alpha = log_sum(torch.stack([alpha, one, two])) + frame[states]
return -alpha[-1]

@E09 wrong products
@mistake multiplies probabilities, which become 0 after some hundred frames
@mentions in log space
states = torch.tensor(with_blanks(transcript, blank))
skips = torch.zeros(len(states), dtype=torch.bool)
skips[2:] = states[2:] != states[:-2]
frames = log_probs.exp()
alpha = torch.zeros(len(states))
alpha[:2] = frames[0, states[:2]]
for frame in frames[1:]:
    two = F.pad(alpha, (2, 0))[:-2] * skips
    alpha = (alpha + F.pad(alpha, (1, 0))[:-1] + two) * frame[states]
return -alpha[-2:].sum().log()

@E09 wrong best-path-alone
@mistake takes the best way into each state
@mentions the sum over all paths
states = torch.tensor(with_blanks(transcript, blank))
skips = torch.zeros(len(states), dtype=torch.bool)
skips[2:] = states[2:] != states[:-2]
alpha = torch.full((len(states),), -math.inf)
alpha[:2] = log_probs[0, states[:2]]
for frame in log_probs[1:]:
    one = F.pad(alpha, (1, 0), value=-math.inf)[:-1]
    two = F.pad(alpha, (2, 0), value=-math.inf)[:-2].masked_fill(~skips, -math.inf)
    alpha = torch.stack([alpha, one, two]).amax(0) + frame[states]
return -alpha[-2:].amax()

@E09 wrong numbers-instead-of-tensors
@mistake takes the numbers out of the tensors, and the gradient is lost
@mentions no .item()
states, table = with_blanks(transcript, blank), log_probs.tolist()


def add(terms):
    return torch.tensor(terms).logsumexp(0).item()


alpha = [table[0][k] if s < 2 else -math.inf for s, k in enumerate(states)]
for frame in table[1:]:
    alpha = [
        add(alpha[max(0, s - 1 - (s > 1 and k != states[s - 2])) : s + 1]) + frame[k]
        for s, k in enumerate(states)
    ]
return torch.tensor(-add(alpha[-2:]))

@E09 wrong plain-logsumexp
@mistake adds with torch.logsumexp, whose gradient is NaN where all terms are -inf
@mentions see log_sum
states = torch.tensor(with_blanks(transcript, blank))
skips = torch.zeros(len(states), dtype=torch.bool)
skips[2:] = states[2:] != states[:-2]
alpha = torch.full((len(states),), -math.inf)
alpha[:2] = log_probs[0, states[:2]]
for frame in log_probs[1:]:
    one = F.pad(alpha, (1, 0), value=-math.inf)[:-1]
    two = F.pad(alpha, (2, 0), value=-math.inf)[:-2].masked_fill(~skips, -math.inf)
    alpha = torch.logsumexp(torch.stack([alpha, one, two]), 0) + frame[states]
return -torch.logsumexp(alpha[-2:], 0)

@E09 wrong the-loss-of-torch
@mistake leaves the recursion to the library
@mentions write the recursion yourself
return F.ctc_loss(
    log_probs.unsqueeze(1),
    torch.tensor([transcript]),
    torch.tensor([len(log_probs)]),
    torch.tensor([len(transcript)]),
    blank,
    reduction="sum",
)

@E09 wrong one-row-of-loss
@mistake returns a tensor of one dimension
@mentions a tensor without dimensions
return torch.zeros(1, requires_grad=True)

@E09 right state-by-state
states = with_blanks(transcript, blank)
never = log_probs.new_tensor(-math.inf)
alpha = [log_probs[0, k] if s < 2 else never for s, k in enumerate(states)]
for frame in log_probs[1:]:
    longer = []
    for s, k in enumerate(states):
        ways = [alpha[s]]
        if s > 0:
            ways.append(alpha[s - 1])
        if s > 1 and k != blank and k != states[s - 2]:
            ways.append(alpha[s - 2])
        longer.append(log_sum(torch.stack(ways)) + frame[k])
    alpha = longer
return -log_sum(torch.stack(alpha[-2:]))

@E09 right backwards
states = torch.tensor(with_blanks(transcript, blank))
n = len(states)
allowed = torch.zeros(n, n, dtype=torch.bool)
for s in range(n):
    for after in (s, s + 1, s + 2):
        leap = after == s + 2
        if after < n and not (leap and states[after] in (blank, states[s])):
            allowed[s, after] = True
beta = torch.where(torch.arange(n) >= n - 2, 0.0, -math.inf)
for frame in log_probs.flip(0)[:-1]:
    into = (beta + frame[states]).expand(n, n).masked_fill(~allowed, -math.inf)
    beta = log_sum(into.T)
return -log_sum((beta + log_probs[0, states])[:2])

@E27 wrong skips-between-equal-symbols
@mistake leaves the blank out between two equal symbols too
@mentions to the transcript
states, frames = with_blanks(transcript, blank), log_probs.tolist()
best = [frames[0][k] if s < 2 else -math.inf for s, k in enumerate(states)]
pointers = []
for frame in frames[1:]:
    came_from = [
        max(range(max(0, s - 1 - (k != blank)), s + 1), key=lambda way: best[way])
        for s, k in enumerate(states)
    ]
    best = [best[way] + frame[k] for way, k in zip(came_from, states)]
    pointers.append(came_from)
state = max(range(max(0, len(states) - 2), len(states)), key=lambda s: best[s])
log_prob, path = best[state], [states[state]]
for came_from in reversed(pointers):
    state = came_from[state]
    path.append(states[state])
return (log_prob, path[::-1]) if log_prob > -math.inf else (log_prob, [])

@E27 wrong greedy-in-the-trellis
@mistake takes the best state of each frame, without back-pointers
@mentions collapse to the transcript
states, frames = with_blanks(transcript, blank), log_probs.tolist()
best = [frames[0][k] if s < 2 else -math.inf for s, k in enumerate(states)]
path = [states[best.index(max(best))]]
for frame in frames[1:]:
    best = [
        max(best[max(0, s - 1 - (s > 1 and k != states[s - 2])) : s + 1]) + frame[k]
        for s, k in enumerate(states)
    ]
    path.append(states[best.index(max(best))])
log_prob = max(best[-2:])
return (log_prob, path) if log_prob > -math.inf else (log_prob, [])

@E27 wrong the-sum-of-all-paths
@mistake returns minus the loss with the path
@mentions along the path
states, frames = with_blanks(transcript, blank), log_probs.tolist()
best = [frames[0][k] if s < 2 else -math.inf for s, k in enumerate(states)]
pointers = []
for frame in frames[1:]:
    came_from = [
        max(
            range(max(0, s - 1 - (s > 1 and k != states[s - 2])), s + 1),
            key=lambda way: best[way],
        )
        for s, k in enumerate(states)
    ]
    best = [best[way] + frame[k] for way, k in zip(came_from, states)]
    pointers.append(came_from)
state = max(range(max(0, len(states) - 2), len(states)), key=lambda s: best[s])
log_prob, path = best[state], [states[state]]
for came_from in reversed(pointers):
    state = came_from[state]
    path.append(states[state])
loss = forward_loss(log_probs, transcript, blank).item()
return (-loss, path[::-1]) if log_prob > -math.inf else (log_prob, [])

@E27 wrong ends-with-a-blank
@mistake goes back from the last state alone
@mentions the better end
states, frames = with_blanks(transcript, blank), log_probs.tolist()
best = [frames[0][k] if s < 2 else -math.inf for s, k in enumerate(states)]
pointers = []
for frame in frames[1:]:
    came_from = [
        max(
            range(max(0, s - 1 - (s > 1 and k != states[s - 2])), s + 1),
            key=lambda way: best[way],
        )
        for s, k in enumerate(states)
    ]
    best = [best[way] + frame[k] for way, k in zip(came_from, states)]
    pointers.append(came_from)
ends = [s for s in range(len(states)) if best[s] > -math.inf]
state = ends[-1] if ends else -1
log_prob, path = best[-1], [states[state]]
for came_from in reversed(pointers):
    state = came_from[state]
    path.append(states[state])
possible = ends and ends[-1] >= len(states) - 2
return (best[state], path[::-1]) if possible else (-math.inf, [])

@E27 wrong from-the-last-frame-to-the-first
@mistake forgets to turn the path round
@mentions from the first frame to the last
states, frames = with_blanks(transcript, blank), log_probs.tolist()
best = [frames[0][k] if s < 2 else -math.inf for s, k in enumerate(states)]
pointers = []
for frame in frames[1:]:
    came_from = [
        max(
            range(max(0, s - 1 - (s > 1 and k != states[s - 2])), s + 1),
            key=lambda way: best[way],
        )
        for s, k in enumerate(states)
    ]
    best = [best[way] + frame[k] for way, k in zip(came_from, states)]
    pointers.append(came_from)
state = max(range(max(0, len(states) - 2), len(states)), key=lambda s: best[s])
log_prob, path = best[state], [states[state]]
for came_from in reversed(pointers):
    state = came_from[state]
    path.append(states[state])
return (log_prob, path) if log_prob > -math.inf else (log_prob, [])

@E27 wrong symbols-without-blanks
@mistake returns the symbols, not the path
@mentions one index a frame
log_prob = -forward_loss(log_probs, transcript, blank).item()
return (log_prob, list(transcript)) if log_prob > -math.inf else (log_prob, [])

@E27 wrong the-path-alone
@mistake forgets the log probability
@mentions log probability and path
return [0] * len(log_probs)

@E27 wrong tensors
@mistake returns tensors
@mentions as plain numbers
return log_probs.max(dim=1).values.sum(), log_probs.argmax(dim=1)

@E27 right in-tensors
states = torch.tensor(with_blanks(transcript, blank))
barred = torch.zeros(len(states), dtype=log_probs.dtype)
barred[:2] = -math.inf
barred[2:][states[2:] == states[:-2]] = -math.inf
best = log_probs.new_full((len(states),), -math.inf)
best[:2] = log_probs[0, states[:2]]
steps = []
for frame in log_probs[1:]:
    padded = F.pad(best, (2, 0), value=-math.inf)
    ways = torch.stack([best, padded[1:-1], padded[:-2] + barred])
    best, step = ways.max(dim=0)
    best = best + frame[states]
    steps.append(step)
end = max(0, len(states) - 2)
state = end + best[end:].argmax().item()
log_prob = best[state].item()
path = [states[state].item()]
for step in reversed(steps):
    state -= step[state].item()
    path.append(states[state].item())
return (log_prob, path[::-1]) if log_prob > -math.inf else (log_prob, [])

@E27 right whole-paths-in-each-state
states = with_blanks(transcript, blank)
first = log_probs[0].tolist()
ways = {s: (first[k], [k]) for s, k in enumerate(states[:2])}
for frame in log_probs[1:].tolist():
    longer = {}
    for s, (score, path) in ways.items():
        for after in (s, s + 1, s + 2):
            leap = after == s + 2
            if after >= len(states):
                continue
            if leap and states[after] in (blank, states[s]):
                continue
            found = (score + frame[states[after]], [*path, states[after]])
            longer[after] = max(longer.get(after, (-math.inf, [])), found)
    ways = longer
ends = [ways.get(s, (-math.inf, [])) for s in range(len(states))[-2:]]
log_prob, path = max(ends)
return (log_prob, path) if log_prob > -math.inf else (-math.inf, [])

@E28 wrong position-by-position
@mistake compares symbols at the same place
@mentions is there a shorter way?
n = max(len(reference), len(hypothesis))
first = [*reference, *[""] * (n - len(reference))]
second = [*hypothesis, *[""] * (n - len(hypothesis))]
return list(zip(first, second))

@E28 wrong the-distance-alone
@mistake returns how many errors there are
@mentions a list of tuples
row = list(range(len(hypothesis) + 1))
for i, a in enumerate(reference, 1):
    longer = [i]
    for j, b in enumerate(hypothesis, 1):
        longer.append(min(row[j - 1] + (a != b), row[j] + 1, longer[-1] + 1))
    row = longer
return row[-1]

@E28 wrong never-substitutes
@mistake deletes and inserts where it could substitute
@mentions is there a shorter way?
table = [list(range(len(hypothesis) + 1))]
for i, a in enumerate(reference, 1):
    row = [i]
    for j, b in enumerate(hypothesis, 1):
        same = table[-1][j - 1] if a == b else math.inf
        row.append(min(same, table[-1][j] + 1, row[-1] + 1))
    table.append(row)
i, j, found = len(reference), len(hypothesis), []
while i or j:
    if i and j and reference[i - 1] == hypothesis[j - 1]:
        i, j = i - 1, j - 1
        found.append((reference[i], hypothesis[j]))
    elif i and table[i][j] == table[i - 1][j] + 1:
        i -= 1
        found.append((reference[i], ""))
    else:
        j -= 1
        found.append(("", hypothesis[j]))
return found[::-1]

@E28 wrong stops-at-an-edge
@mistake forgets what is left of one text when the other is used up
@mentions each symbol once
table = [list(range(len(hypothesis) + 1))]
for i, a in enumerate(reference, 1):
    row = [i]
    for j, b in enumerate(hypothesis, 1):
        row.append(min(table[-1][j - 1] + (a != b), table[-1][j] + 1, row[-1] + 1))
    table.append(row)
i, j, found = len(reference), len(hypothesis), []
while i and j:
    a, b = reference[i - 1], hypothesis[j - 1]
    if table[i][j] == table[i - 1][j - 1] + (a != b):
        i, j = i - 1, j - 1
        found.append((a, b))
    elif table[i][j] == table[i - 1][j] + 1:
        i -= 1
        found.append((a, ""))
    else:
        j -= 1
        found.append(("", b))
return found[::-1]

@E28 wrong from-right-to-left
@mistake forgets to turn the list round
@mentions from left to right
table = [list(range(len(hypothesis) + 1))]
for i, a in enumerate(reference, 1):
    row = [i]
    for j, b in enumerate(hypothesis, 1):
        row.append(min(table[-1][j - 1] + (a != b), table[-1][j] + 1, row[-1] + 1))
    table.append(row)
i, j, found = len(reference), len(hypothesis), []
while i or j:
    a, b = reference[i - 1] if i else "", hypothesis[j - 1] if j else ""
    if i and j and table[i][j] == table[i - 1][j - 1] + (a != b):
        i, j = i - 1, j - 1
        found.append((a, b))
    elif i and table[i][j] == table[i - 1][j] + 1:
        i -= 1
        found.append((a, ""))
    else:
        j -= 1
        found.append(("", b))
return found

@E28 wrong borders-of-zero
@mistake the first row and column count no errors
@mentions is there a shorter way?
n, m = len(reference), len(hypothesis)
table = [[0] * (m + 1) for _ in range(n + 1)]
back = {}
for i in range(1, n + 1):
    for j in range(1, m + 1):
        a, b = reference[i - 1], hypothesis[j - 1]
        table[i][j], back[i, j] = min(
            (table[i - 1][j - 1] + (a != b), (1, 1)),
            (table[i - 1][j] + 1, (1, 0)),
            (table[i][j - 1] + 1, (0, 1)),
        )
i, j, found = n, m, []
while i or j:
    di, dj = back.get((i, j), (1, 0) if i else (0, 1))
    found.append((reference[i - 1] if di else "", hypothesis[j - 1] if dj else ""))
    i, j = i - di, j - dj
return found[::-1]

@E28 right best-list-of-each-cell
row = [[("", b) for b in hypothesis[:j]] for j in range(len(hypothesis) + 1)]


def errors(operations):
    return sum(a != b for a, b in operations)


for a in reference:
    longer = [[*row[0], (a, "")]]
    for j, b in enumerate(hypothesis):
        ways = [[*row[j], (a, b)], [*row[j + 1], (a, "")], [*longer[-1], ("", b)]]
        longer.append(min(ways, key=errors))
    row = longer
return row[-1]

@E28 right with-memory
known = {}


def shortest(i, j):
    if (i, j) not in known:
        ways = [(0, ())] if i == j == 0 else []
        if i:
            cost, found = shortest(i - 1, j)
            ways.append((cost + 1, (*found, (reference[i - 1], ""))))
        if j:
            cost, found = shortest(i, j - 1)
            ways.append((cost + 1, (*found, ("", hypothesis[j - 1]))))
        if i and j:
            cost, found = shortest(i - 1, j - 1)
            pair = reference[i - 1], hypothesis[j - 1]
            ways.append((cost + (pair[0] != pair[1]), (*found, pair)))
        known[i, j] = min(ways)
    return known[i, j]


return list(shortest(len(reference), len(hypothesis))[1])
"""
