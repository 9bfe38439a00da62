"""Answers to the exercises of ``hybrid.py``."""

SHEET = """
@E36 wrong repeats-as-new-symbols
@mistake takes all paths before a repeated symbol
@mentions only paths that end with a blank
before = state.total[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 wrong every-symbol-repeats
@mistake lets only paths with a blank grow, whatever the symbol
@mentions paths that spell the shorter prefix
before = state.blank[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 wrong without-the-first-frame
@mistake leaves the first frame out of the score
@mentions the first frame among them
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol)[..., 1:].logsumexp(-1)

@E36 wrong score-of-the-whole
@mistake returns the score of the prefix as a whole transcript
@mentions whatever may follow
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, ends.whole

@E36 wrong score-counts-frames
@mistake counts a path once for each frame of its last symbol
@mentions the sum over t
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, ends.symbol.logsumexp(-1)

@E36 wrong blanks-do-not-go-on
@mistake forgets paths that had a blank before
@mentions then a blank
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(longer[-1] + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 wrong blank-at-the-same-frame
@mistake lets a frame be the symbol and the blank at once
@mentions at the frame before
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    longer.append(torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t])
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 wrong before-at-the-same-frame
@mistake takes the shorter prefix at t, not at t - 1
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., 1:]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 wrong starts-with-log-0-as-0
@mistake writes 0 for the logarithm of 0
@mentions log p is -inf
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.zeros_like(before[..., 0])]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 wrong only-the-best-path
@mistake takes the best way instead of their sum
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.maximum(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.maximum(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).amax(-1)

@E36 wrong probabilities
@mistake adds probabilities, which many frames make 0
@mentions exp() of these is 0
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1].exp()
longer = [torch.zeros_like(before[..., 0])]
waiting = [longer[0]]
for t in range(symbol.shape[-1]):
    arrived = (longer[-1] + before[..., t]) * symbol[..., t].exp()
    waiting.append((waiting[-1] + longer[-1]) * blank[..., t].exp())
    longer.append(arrived)
ends = torch.stack(longer, dim=-1).log(), torch.stack(waiting, dim=-1).log()
return PrefixState(*ends), (before * symbol.exp()).sum(-1).log()

@E36 wrong state-changed
@mistake writes into the state that it was given
@mentions arguments as before
before = torch.where(repeats.unsqueeze(-1), state.blank, state.total)[..., :-1].clone()
score = (before + symbol).logsumexp(-1)
longer, waiting = state
longer[..., 0] = waiting[..., 0] = -math.inf
for t in range(symbol.shape[-1]):
    arrived = torch.logaddexp(longer[..., t], before[..., t]) + symbol[..., t]
    stayed = torch.logaddexp(waiting[..., t], longer[..., t]) + blank[..., t]
    longer[..., t + 1], waiting[..., t + 1] = arrived, stayed
return PrefixState(longer, waiting), score

@E36 wrong one-decision-for-all
@mistake looks at one of the repeats for all prefixes
@mentions leading axes
grows = state.blank if repeats.flatten()[0] else state.total
before = grows[..., :-1]
n_frames = symbol.shape[-1]
longer = [torch.full_like(before[..., 0], -math.inf)]
waiting = [longer[0]]
for t in range(n_frames):
    arrived = torch.logaddexp(longer[-1], before[..., t]) + symbol[..., t]
    waiting.append(torch.logaddexp(waiting[-1], longer[-1]) + blank[..., t])
    longer.append(arrived)
ends = PrefixState(torch.stack(longer, dim=-1), torch.stack(waiting, dim=-1))
return ends, (before + symbol).logsumexp(-1)

@E36 right loop
before = torch.where(repeats[..., None], state.blank, state.total)
r_symbol = torch.full_like(before, -math.inf)
r_blank = torch.full_like(before, -math.inf)
score = r_symbol[..., 0]
for t in range(1, before.shape[-1]):
    now = before[..., t - 1] + symbol[..., t - 1]
    score = torch.logaddexp(score, now)
    stays = r_symbol[..., t - 1] + symbol[..., t - 1]
    r_symbol[..., t] = torch.logaddexp(stays, now)
    waits = torch.logaddexp(r_blank[..., t - 1], r_symbol[..., t - 1])
    r_blank[..., t] = waits + blank[..., t - 1]
return PrefixState(r_symbol, r_blank), score

@E36 right large-numbers-and-a-stack
least = -1e30
pair = torch.stack([state.blank, state.total])[:, ..., :-1].clamp(min=least)
before = torch.where(repeats[..., None], pair[0], pair[1])
both = [torch.full((2, *before.shape[:-1]), least, dtype=before.dtype)]
for t in range(symbol.shape[-1]):
    last = both[-1]
    ways = torch.stack([torch.stack([last[0], before[..., t]]), last.flip(0)])
    steps = torch.stack([symbol[..., t], blank[..., t]])
    both.append(ways.logsumexp(dim=1) + steps)
r = torch.stack(both, dim=-1)
return PrefixState(r[0], r[1]), torch.logsumexp(before + symbol, dim=-1)


@E37 wrong zero-times-infinity
@mistake multiplies -inf by 0
@mentions 0 * -inf
ctc = prefixes.clone()
ctc[..., end] = whole
return ctc_weight * ctc + (1 - ctc_weight) * attention

@E37 wrong end-as-a-prefix
@mistake scores the end like any other symbol
@mentions whole transcript
if ctc_weight == 0:
    return attention
if ctc_weight == 1:
    return prefixes
return ctc_weight * prefixes + (1 - ctc_weight) * attention

@E37 wrong prefixes-changed
@mistake writes the end into the argument
@mentions goes on with them
if ctc_weight == 0:
    return attention
prefixes[..., end] = whole
if ctc_weight == 1:
    return prefixes
return ctc_weight * prefixes + (1 - ctc_weight) * attention

@E37 wrong weights-exchanged
@mistake gives each head the weight of the other
ctc = prefixes.clone()
ctc[..., end] = whole
if ctc_weight == 0:
    return ctc
if ctc_weight == 1:
    return attention
return (1 - ctc_weight) * ctc + ctc_weight * attention

@E37 wrong attention-not-weighted
@mistake adds all of attention's score
if ctc_weight == 0:
    return attention
ctc = prefixes.clone()
ctc[..., end] = whole
if ctc_weight == 1:
    return ctc
return ctc_weight * ctc + attention

@E37 wrong nan-becomes-zero
@mistake turns what is no number into probability 1
ctc = prefixes.clone()
ctc[..., end] = whole
return (ctc_weight * ctc + (1 - ctc_weight) * attention).nan_to_num(0.0)

@E37 wrong end-of-ctc-alone
@mistake leaves attention out where the end is scored
@mentions whole transcript
if ctc_weight == 0:
    return attention
scores = prefixes.clone()
if ctc_weight < 1:
    scores = ctc_weight * prefixes + (1 - ctc_weight) * attention
scores[..., end] = whole
return scores

@E37 wrong ctc-thrown-away
@mistake lets attention win in every case
return attention.clone()

@E37 right column-by-column
columns = [*prefixes.unbind(dim=-1)]
columns[end] = whole
total = torch.zeros_like(attention)
for share, scores in (
    (ctc_weight, torch.stack(columns, dim=-1)),
    (1 - ctc_weight, attention),
):
    if share:
        total = total + share * scores
return total

@E37 right where
is_end = torch.arange(prefixes.shape[-1]) == end
ctc = torch.where(is_end, whole.unsqueeze(-1), prefixes)
both = ctc_weight * ctc + (1 - ctc_weight) * attention
alone = ctc if ctc_weight == 1 else attention
return torch.where(torch.tensor(ctc_weight in (0, 1)), alone, both)


@E38 wrong gains-lost
@mistake leaves out what a language model has added
@mentions what else the old score had
ranked = []
for one, score in zip(nbest, attention):
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score
    parts = {**one.parts, "attention": score}
    ranked.append(Hypothesis(total, one.indices, parts))
return sorted(ranked, key=lambda one: one.score, reverse=True)

@E38 wrong gains-weighted
@mistake weighs the language model with CTC
@mentions what else the old score had
ranked = []
for one, score in zip(nbest, attention):
    total = ctc_weight * one.score + (1 - ctc_weight) * score
    parts = {**one.parts, "attention": score}
    ranked.append(Hypothesis(total, one.indices, parts))
return sorted(ranked, key=lambda one: one.score, reverse=True)

@E38 wrong not-sorted
@mistake keeps the order of CTC
@mentions the best first
ranked = []
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    parts = {**one.parts, "attention": score}
    ranked.append(Hypothesis(total, one.indices, parts))
return ranked

@E38 wrong worst-first
@mistake ranks the worst first
@mentions the best first
ranked = []
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    parts = {**one.parts, "attention": score}
    ranked.append(Hypothesis(total, one.indices, parts))
return sorted(ranked, key=lambda one: one.score)

@E38 wrong only-the-best
@mistake returns the winner alone
@mentions none is lost
ranked = []
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    parts = {**one.parts, "attention": score}
    ranked.append(Hypothesis(total, one.indices, parts))
return sorted(ranked, key=lambda one: one.score, reverse=True)[:1]

@E38 wrong parts-lost
@mistake forgets the parts that there were
@mentions the parts it had
ranked = []
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    ranked.append(Hypothesis(total, one.indices, {"attention": score}))
return sorted(ranked, key=lambda one: one.score, reverse=True)

@E38 wrong attention-without-a-part
@mistake does not keep the score of attention
@mentions the parts it had
ranked = []
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    ranked.append(Hypothesis(total, one.indices, one.parts))
return sorted(ranked, key=lambda one: one.score, reverse=True)

@E38 wrong hypotheses-compared
@mistake sorts pairs, and compares hypotheses where scores are equal: raises
@mentions TypeError
pairs = []
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    parts = {**one.parts, "attention": score}
    pairs.append((total, Hypothesis(total, one.indices, parts)))
return [one for _, one in sorted(pairs, reverse=True)]

@E38 wrong equal-scores-lost
@mistake keeps one hypothesis of each score
@mentions none is lost
ranked = {}
for one, score in zip(nbest, attention):
    gains = one.score - one.parts["ctc"]
    total = ctc_weight * one.parts["ctc"] + (1 - ctc_weight) * score + gains
    parts = {**one.parts, "attention": score}
    ranked[total] = Hypothesis(total, one.indices, parts)
return [ranked[total] for total in sorted(ranked, reverse=True)]

@E38 right difference
def better(one, score):
    ctc = one.parts["ctc"]
    new = one.score + (1 - ctc_weight) * (score - ctc)
    return Hypothesis(new, one.indices, dict(one.parts, attention=score), one.cut)


left = [better(*pair) for pair in zip(nbest, attention)]
ranked = []
while left:
    best = max(range(len(left)), key=lambda n: left[n].score)
    ranked.append(left.pop(best))
return ranked


@E39 wrong double-letters-merged
@mistake drops the blanks first, so that "elle" becomes "ele"
@mentions a blank ends it
pairs = [(k, p) for k, p in zip(path, log_probs) if k != blank]
symbols, sure = [], []
for symbol, log_prob in pairs:
    if not symbols or symbol != symbols[-1]:
        symbols.append(symbol)
        sure.append(0.0)
    sure[-1] = max(sure[-1], math.exp(log_prob))
return symbols, sure

@E39 wrong blank-is-a-symbol
@mistake counts the blank as a symbol
@mentions none itself
symbols, sure = [], []
previous = None
for symbol, log_prob in zip(path, log_probs):
    if symbol != previous:
        symbols.append(symbol)
        sure.append(0.0)
    sure[-1] = max(sure[-1], math.exp(log_prob))
    previous = symbol
return symbols, sure

@E39 wrong every-frame
@mistake merges nothing
@mentions merge the frames
pairs = [(k, math.exp(p)) for k, p in zip(path, log_probs) if k != blank]
return [k for k, _ in pairs], [p for _, p in pairs]

@E39 wrong first-frame
@mistake takes the first frame of each symbol
@mentions highest probability
symbols, sure = [], []
previous = blank
for symbol, log_prob in zip(path, log_probs):
    if symbol not in (previous, blank):
        symbols.append(symbol)
        sure.append(math.exp(log_prob))
    previous = symbol
return symbols, sure

@E39 wrong last-frame
@mistake takes the last frame of each symbol
@mentions highest probability
symbols, sure = [], []
previous = blank
for symbol, log_prob in zip(path, log_probs):
    if symbol not in (previous, blank):
        symbols.append(symbol)
        sure.append(0.0)
    if symbol != blank:
        sure[-1] = math.exp(log_prob)
    previous = symbol
return symbols, sure

@E39 wrong logarithms
@mistake returns log-probabilities
@mentions not its logarithm
symbols, sure = [], []
previous = blank
for symbol, log_prob in zip(path, log_probs):
    if symbol not in (previous, blank):
        symbols.append(symbol)
        sure.append(-math.inf)
    if symbol != blank:
        sure[-1] = max(sure[-1], log_prob)
    previous = symbol
return symbols, sure

@E39 wrong blank-is-zero
@mistake takes 0 for the blank
@mentions blank 2
symbols, sure = [], []
previous = 0
for symbol, log_prob in zip(path, log_probs):
    if symbol not in (previous, 0):
        symbols.append(symbol)
        sure.append(0.0)
    if symbol != 0:
        sure[-1] = max(sure[-1], math.exp(log_prob))
    previous = symbol
return symbols, sure

@E39 wrong lowest
@mistake takes the least sure frame
@mentions highest probability
symbols, sure = [], []
previous = blank
for symbol, log_prob in zip(path, log_probs):
    if symbol not in (previous, blank):
        symbols.append(symbol)
        sure.append(1.0)
    if symbol != blank:
        sure[-1] = min(sure[-1], math.exp(log_prob))
    previous = symbol
return symbols, sure

@E39 right groups
from itertools import groupby

runs = [list(run) for _, run in groupby(zip(path, log_probs), key=lambda one: one[0])]
runs = [run for run in runs if run[0][0] != blank]
return [r[0][0] for r in runs], [max(math.exp(p) for _, p in run) for run in runs]

@E39 right from-the-back
symbols, sure = [], []
for t in reversed(range(len(path))):
    if path[t] == blank:
        continue
    if t + 1 == len(path) or path[t + 1] != path[t]:
        symbols.insert(0, path[t])
        sure.insert(0, log_probs[t])
    sure[0] = max(sure[0], log_probs[t])
return symbols, [math.exp(log_prob) for log_prob in sure]


@E40 wrong last-one-open
@mistake loses a segment that reaches the end
@mentions its segment ends after it
segments, begin = [], None
for i, is_uncertain in enumerate(uncertain):
    if is_uncertain and begin is None:
        begin = i
    if not is_uncertain and begin is not None:
        segments.append((begin, i))
        begin = None
return segments

@E40 wrong last-symbol-included
@mistake gives the last symbol, not the place after it
segments, begin = [], None
for i, is_uncertain in enumerate([*uncertain, False]):
    if is_uncertain and begin is None:
        begin = i
    if not is_uncertain and begin is not None:
        segments.append((begin, i - 1))
        begin = None
return segments

@E40 wrong each-by-itself
@mistake merges no neighbours
@mentions as long as possible
return [(i, i + 1) for i, is_uncertain in enumerate(uncertain) if is_uncertain]

@E40 wrong one-for-all
@mistake makes one segment from the first to the last
places = [i for i, is_uncertain in enumerate(uncertain) if is_uncertain]
return [(places[0], places[-1] + 1)] if places else []

@E40 wrong first-one-missed
@mistake misses a segment that begins at the first symbol
edges = [*uncertain, False]
begins = [i for i in range(1, len(uncertain)) if edges[i] and not edges[i - 1]]
stops = [i for i in range(1, len(edges)) if edges[i - 1] and not edges[i]]
return list(zip(begins, stops))

@E40 wrong certain-segments
@mistake finds what is certain
segments, begin = [], None
for i, is_uncertain in enumerate([*uncertain, True]):
    if not is_uncertain and begin is None:
        begin = i
    if is_uncertain and begin is not None:
        segments.append((begin, i))
        begin = None
return segments

@E40 right loop
segments = []
for i, is_uncertain in enumerate(uncertain):
    if not is_uncertain:
        continue
    if segments and segments[-1][1] == i:
        segments[-1] = (segments[-1][0], i + 1)
    else:
        segments.append((i, i + 1))
return segments

@E40 right groups
from itertools import groupby

segments, place = [], 0
for is_uncertain, run in groupby(uncertain):
    begin, place = place, place + len(list(run))
    if is_uncertain:
        segments.append((begin, place))
return segments


@E41 wrong stop-twice
@mistake writes the stop of the replacement, and then the transcript's
@mentions the stop is one of them
spliced, done = [], 0
for (begin, stop), replacement in zip(segments, replacements):
    spliced += [*symbols[done:begin], *replacement]
    done = stop
return [*spliced, *symbols[done:]]

@E41 wrong stop-lost
@mistake drops the stop of both
@mentions every certain symbol stays
spliced, done = [], 0
for (begin, stop), replacement in zip(segments, replacements):
    spliced += [*symbols[done:begin], *replacement[:-1]]
    done = stop + 1
return [*spliced, *symbols[done:]]

@E41 wrong end-lost
@mistake drops the end that the last replacement brings
@mentions brings the only one
spliced, done = [], 0
for (begin, stop), replacement in zip(segments, replacements):
    spliced += [*symbols[done:begin], *replacement[:-1]]
    done = stop
return [*spliced, *symbols[done:]]

@E41 wrong double-letters-merged
@mistake merges neighbours that are equal, so that "elle" becomes "ele"
@mentions every certain symbol stays
from itertools import groupby

spliced, done = [], 0
for (begin, stop), replacement in zip(segments, replacements):
    spliced += symbols[done:begin]
    spliced += replacement if stop == len(symbols) else replacement[:-1]
    done = stop
return [symbol for symbol, _ in groupby([*spliced, *symbols[done:]])]

@E41 wrong first-replacement-for-all
@mistake writes the first replacement into every segment
spliced, done = [], 0
for begin, stop in segments:
    replacement = replacements[0]
    spliced += symbols[done:begin]
    spliced += replacement if stop == len(symbols) else replacement[:-1]
    done = stop
return [*spliced, *symbols[done:]]

@E41 wrong places-move
@mistake replaces from left to right, though the places move
result = [*symbols]
for (begin, stop), replacement in zip(segments, replacements):
    holds_end = stop == len(symbols)
    result[begin:stop] = replacement if holds_end else replacement[:-1]
return result

@E41 wrong symbols-changed
@mistake replaces in the list that it was given
@mentions arguments as before
n_symbols = len(symbols)
for (begin, stop), replacement in reversed([*zip(segments, replacements)]):
    holds_end = stop == n_symbols
    symbols[begin:stop] = replacement if holds_end else replacement[:-1]
return symbols

@E41 wrong rest-forgotten
@mistake forgets what comes after the last segment
spliced, done = [], 0
for (begin, stop), replacement in zip(segments, replacements):
    spliced += symbols[done:begin]
    spliced += replacement if stop == len(symbols) else replacement[:-1]
    done = stop
return spliced

@E41 wrong without-the-last-segment
@mistake leaves the last segment as CTC wrote it if it holds the end
@mentions the segment holds the end
spliced, done = [], 0
for (begin, stop), replacement in zip(segments, replacements):
    if stop == len(symbols):
        break
    spliced += [*symbols[done:begin], *replacement[:-1]]
    done = stop
return [*spliced, *symbols[done:]]

@E41 right from-the-back
result = list(symbols)
for (begin, stop), new in zip(reversed(segments), reversed(replacements)):
    result[begin : stop + 1] = new  # the stop takes the place of the stop
return result

@E41 right place-by-place
new = {begin: list(r) for (begin, _), r in zip(segments, replacements)}
inside = {i for begin, stop in segments for i in range(begin, stop)}
result = []
for i, symbol in enumerate(symbols):
    result += new.get(i, [symbol] if i not in inside else [])[:-1] if i in new else []
    result += [symbol] if i not in inside else []
holds_end = len(symbols) - 1 in inside
return result + [symbols[-1]] if holds_end else result


@E42 wrong excluded-ignored
@mistake compares with symbols that attention never writes
agrees = (log_probs.argmax(dim=1) == torch.tensor(symbols)).tolist()
return agrees.index(False) if False in agrees else len(symbols)

@E42 wrong all-that-agree
@mistake counts those after the first disagreement, too
@mentions before the first
allowed = log_probs.clone()
allowed[:, list(excluded)] = -math.inf
return int((allowed.argmax(dim=1) == torch.tensor(symbols)).sum())

@E42 wrong the-first-counts
@mistake counts the one that does not agree
@mentions before the first
allowed = log_probs.clone()
allowed[:, list(excluded)] = -math.inf
agrees = (allowed.argmax(dim=1) == torch.tensor(symbols)).tolist()
return agrees.index(False) + 1 if False in agrees else len(symbols)

@E42 wrong argmin
@mistake accepts nothing where all agree
@mentions all agree
allowed = log_probs.clone()
allowed[:, list(excluded)] = -math.inf
agrees = allowed.argmax(dim=1) == torch.tensor(symbols)
return int(agrees.int().argmin())

@E42 wrong without-the-last
@mistake does not look at the last symbol
allowed = log_probs.clone()
allowed[:, list(excluded)] = -math.inf
for n, (row, symbol) in enumerate(zip(allowed[:-1], symbols)):
    if row.argmax() != symbol:
        return n
return len(symbols)

@E42 wrong probable-enough
@mistake accepts what is more probable than 1/V
allowed = log_probs.clone()
allowed[:, list(excluded)] = -math.inf
for n, (row, symbol) in enumerate(zip(allowed, symbols)):
    if row[symbol] < -math.log(len(row)):
        return n
return len(symbols)

@E42 right product
allowed = [k for k in range(log_probs.shape[1]) if k not in excluded]
best = torch.tensor(allowed)[log_probs[:, allowed].argmax(dim=1)]
return int((best == torch.tensor(symbols)).int().cumprod(dim=0).sum())

@E42 right while
n = 0
while n < len(symbols):
    row = log_probs[n].tolist()
    best = max((k for k in range(len(row)) if k not in excluded), key=lambda k: row[k])
    if best != symbols[n]:
        break
    n += 1
return n
"""
