"""Answers to the exercises of ``seq2seq.py``."""

SHEET = """
@E30 wrong unscaled
@mistake does not divide by the root of D
@mentions root of D
scores = queries @ keys.transpose(2, 3)
scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=3)
return weights @ values, weights

@E30 wrong divided-by-d
@mistake divides by D, not by its root
@mentions root of D
scores = queries @ keys.transpose(2, 3) / queries.shape[3]
scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=3)
return weights @ values, weights

@E30 wrong no-mask
@mistake attends to the padding too
@mentions no frame is there
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
weights = scores.softmax(dim=3)
return weights @ values, weights

@E30 wrong masked-with-zero
@mistake masks scores with 0, which is no small score
@mentions one of 0 does not
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[:, None, None, :], 0.0)
weights = scores.softmax(dim=3)
return weights @ values, weights

@E30 wrong masked-after-the-softmax
@mistake masks the weights, which then add up to less than 1
@mentions sum of the weights
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
weights = scores.softmax(dim=3) * mask[:, None, None, :]
return weights @ values, weights

@E30 wrong mask-inverted
@mistake attends to the padding alone
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=3)
return weights @ values, weights

@E30 wrong softmax-over-queries
@mistake normalises over the queries
@mentions softmax over the frames
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[:, None, None, :], -1e9)
weights = scores.softmax(dim=2) * mask[:, None, None, :]
return weights @ values, weights

@E30 wrong softmax-over-queries-of-minus-infinity
@mistake normalises over the queries, where a frame that is not there is all -inf
@mentions over the last axis, T'
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=-2)
return weights @ values, weights

@E30 wrong mean-of-keys
@mistake averages the keys
@mentions its own values
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=3)
return weights @ keys, weights

@E30 wrong first-mask-for-all
@mistake takes the mask of the first utterance for all
@mentions no frame is there
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[0], -math.inf)
weights = scores.softmax(dim=3)
return weights @ values, weights

@E30 wrong detached-weights
@mistake cuts the gradient of the weights
@mentions finite gradient
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=3).detach()
return weights @ values, weights

@E30 wrong swapped-results
@mistake returns weights before contexts
@mentions in this order
scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
weights = scores.softmax(dim=3)
return weights, weights @ values

@E30 right einsum-and-exp
scores = torch.einsum("bnqd,bntd->bnqt", queries, keys) * queries.shape[-1] ** -0.5
powers = scores.exp() * mask[:, None, None]
weights = powers / powers.sum(dim=-1, keepdim=True)
return torch.einsum("bnqt,bntd->bnqd", weights, values), weights

@E30 right one-utterance-at-a-time
contexts, shares = [], []
for q, k, v, inside in zip(queries, keys, values, mask):
    n = int(inside.sum())
    own = torch.softmax(q @ k[:, :n].mT / q.shape[-1] ** 0.5, dim=-1)  # (N, Q, n)
    contexts.append(own @ v[:, :n])
    shares.append(nn.functional.pad(own, (0, len(inside) - n)))
return torch.stack(contexts), torch.stack(shares)


@E31 wrong not-shifted
@mistake asks for the symbol that was just read
@mentions what follows each input
padded, lengths = pad_packed_sequence(transcripts, batch_first=True)
return padded[:, :-1], padded[:, :-1], lengths - 1

@E31 wrong whole
@mistake leaves the end in the inputs and the start in the targets
@mentions one symbol fewer
padded, lengths = pad_packed_sequence(transcripts, batch_first=True)
return padded, padded, lengths

@E31 wrong exchanged
@mistake exchanges inputs and targets
@mentions from the start on
padded, lengths = pad_packed_sequence(transcripts, batch_first=True)
return padded[:, 1:], padded[:, :-1], lengths - 1

@E31 wrong lengths-of-transcripts
@mistake counts the start as a target
@mentions U - 1 of each
padded, lengths = pad_packed_sequence(transcripts, batch_first=True)
return padded[:, :-1], padded[:, 1:], lengths

@E31 wrong time-first
@mistake returns (U - 1, B)
@mentions utterances first
padded, lengths = pad_packed_sequence(transcripts)
return padded[:-1], padded[1:], lengths - 1

@E31 wrong sorted-by-length
@mistake forgets that packing has sorted the utterances
packed = PackedSequence(transcripts.data, transcripts.batch_sizes)
padded, lengths = pad_packed_sequence(packed, batch_first=True)
return padded[:, :-1], padded[:, 1:], lengths - 1

@E31 wrong without-markers
@mistake removes start and end from both
@mentions one symbol fewer
padded, lengths = pad_packed_sequence(transcripts, batch_first=True)
return padded[:, 1:-1], padded[:, 1:-1], lengths - 2

@E31 right one-by-one
padded, lengths = pad_packed_sequence(transcripts)
texts = [padded[:n, b] for b, n in enumerate(lengths.tolist())]
pad = nn.utils.rnn.pad_sequence
read = pad([text[:-1] for text in texts], batch_first=True)
answered = pad([text[1:] for text in texts], batch_first=True)
return read, answered, torch.tensor([len(text) - 1 for text in texts])


@E34 wrong state-ignored
@mistake starts from zeros in every call
@mentions goes on from the state
state = self.recur(symbols, None)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong old-state-returned
@mistake returns the state that was given
new = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(new.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([new.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state or RecurrentState(0 * new.hidden),
               weights)

@E34 wrong no-log-softmax
@mistake returns scores
@mentions log_softmax
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs, state, weights)

@E34 wrong softmax-over-symbols-read
@mistake normalises over the string, not over the alphabet
@mentions log_softmax over V
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=2), state, weights)

@E34 wrong no-tanh
@mistake leaves the tanh out
@mentions tanh(combine
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both)))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong context-first
@mistake joins context and state in the other order
@mentions [hidden, context]
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([context, state.hidden], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong rows-mixed
@mistake gives a row the contexts of others: R and U exchanged
@mentions each row by itself
state = self.recur(symbols, state)
n_rows, n_symbols = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, (n_symbols, n_rows)).transpose(1, 2)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, (n_rows, n_symbols))
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong last-query-for-all
@mistake attends with the last state of each row alone
@mentions each row by itself
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = self.query(state.hidden[:, :, -1:]).expand_as(state.hidden).flatten(1, 2)
queries = split_heads(queries, self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong query-without-layer
@mistake takes the state itself for the query
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(state.hidden.flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong heads-joined-by-a-view
@mistake joins the heads without moving their axis back
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = context.reshape(state.hidden.shape)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong weights-of-one-head
@mistake returns the weights of the first head
@mentions mean over the heads
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
return Decoded(outputs.log_softmax(dim=3), state, weights[:, 0].unflatten(1, rows))

@E34 wrong no-dropout
@mistake drops nothing
@mentions right before the output layer
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.combine(both).tanh())
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong dropout-in-evaluation
@mistake drops units in evaluation, too
state = self.recur(symbols, state)
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
dropped = nn.functional.dropout(self.combine(both).tanh(), self.dropout.p)
outputs = self.output(dropped)
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 wrong state-dropped
@mistake drops units of the state that later calls start from
@mentions the state is not dropped
state = self.recur(symbols, state)
state = RecurrentState(self.dropout(state.hidden))
rows = symbols.shape[1:]
queries = split_heads(self.query(state.hidden).flatten(1, 2), self.heads)
context, weights = attend(queries, memory.keys[0], memory.values[0], memory.mask)
context = join_heads(context).unflatten(1, rows)
both = torch.cat([state.hidden, context], dim=3)
outputs = self.output(self.dropout(self.combine(both).tanh()))
weights = weights.mean(dim=1).unflatten(1, rows)
return Decoded(outputs.log_softmax(dim=3), state, weights)

@E34 right row-by-row
state = self.recur(symbols, state)
keys, values = memory.keys[0], memory.values[0]
contexts, shares = [], []
for hidden in state.hidden.unbind(dim=1):  # (B, U, H)
    found, weights = attend(
        split_heads(self.query(hidden), self.heads), keys, values, memory.mask
    )
    contexts.append(join_heads(found))
    shares.append(weights.sum(dim=1) / self.heads)
both = torch.cat([state.hidden, torch.stack(contexts, dim=1)], dim=-1)
scores = self.output(self.dropout(torch.tanh(self.combine(both))))
log_probs = scores - scores.logsumexp(dim=-1, keepdim=True)
return Decoded(log_probs, state, torch.stack(shares, dim=1))

@E34 right reshapes
B, R, U = symbols.shape
state = self.recur(symbols, state)
q = self.query(state.hidden).reshape(B, R * U, self.heads, -1).permute(0, 2, 1, 3)
context, weights = attend(q, memory.keys[0], memory.values[0], memory.mask)
context = context.permute(0, 2, 1, 3).reshape(B, R, U, -1)
units = nn.functional.dropout(
    self.combine(torch.cat((state.hidden, context), -1)).tanh(),
    self.dropout.p,
    self.training,
)
log_probs = nn.functional.log_softmax(self.output(units), dim=-1)
return Decoded(log_probs, state, weights.mean(1).reshape(B, R, U, -1))


@E35 wrong excluded-ignored
@mistake writes excluded symbols
@mentions not excluded
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
going = torch.ones(len(limits), dtype=torch.bool)
while going.any():
    read = decoder(symbols, memory, state)
    state, symbols = read.state, read.log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    going &= (columns[-1] != end) & (limits > len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row[:limit] else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong limits-ignored
@mistake goes on to the largest limit of the batch
@mentions alone and in a batch
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
for _ in range(int(limits.max())):
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    if all(end in row for row in torch.stack(columns, dim=1).tolist()):
        break
written = torch.stack(columns, dim=1).tolist()
return [row[: row.index(end) + 1] if end in row else row for row in written]

@E35 wrong end-past-the-limit
@mistake takes an end that comes later than the limit
@mentions its own end and limit
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
going = torch.ones(len(limits), dtype=torch.bool)
while going.any():
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    going &= (columns[-1] != end) & (limits > len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong end-left-out
@mistake leaves the end out
@mentions end
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
going = torch.ones(len(limits), dtype=torch.bool)
while going.any():
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    going &= (columns[-1] != end) & (limits > len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end)] if end in row[:limit] else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong start-kept
@mistake keeps the start
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, [symbols.flatten()]
going = torch.ones(len(limits), dtype=torch.bool)
while going.any():
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    going &= (columns[-1] != end) & (limits >= len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row[: limit + 1] else row[: limit + 1]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong stops-with-the-first
@mistake stops as soon as any utterance has ended
@mentions alone and in a batch
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
going = torch.ones(len(limits), dtype=torch.bool)
while going.all():
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    going &= (columns[-1] != end) & (limits > len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row[:limit] else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong never-stops-early
@mistake calls the decoder up to the limit, though all have ended
@mentions every utterance has ended
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
for _ in range(int(limits.max())):
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row[:limit] else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong state-lost
@mistake gives the last symbol without the state of those before it
@mentions after the state
symbols = torch.full((len(limits), 1, 1), start)
columns = []
going = torch.ones(len(limits), dtype=torch.bool)
while going.any():
    log_probs = decoder(symbols, memory).log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    symbols = log_probs.argmax(dim=3)
    columns.append(symbols.flatten())
    going &= (columns[-1] != end) & (limits > len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row[:limit] else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 wrong start-read-again
@mistake reads the start at every step
symbols = torch.full((len(limits), 1, 1), start)
state, columns = None, []
going = torch.ones(len(limits), dtype=torch.bool)
while going.any():
    read = decoder(symbols, memory, state)
    state, log_probs = read.state, read.log_probs.clone()
    log_probs[..., list(excluded)] = -math.inf
    columns.append(log_probs.argmax(dim=3).flatten())
    going &= (columns[-1] != end) & (limits > len(columns))
written = torch.stack(columns, dim=1).tolist()
return [
    row[: row.index(end) + 1] if end in row[:limit] else row[:limit]
    for row, limit in zip(written, limits.tolist())
]

@E35 right utterance-by-utterance
results = []
for b, limit in enumerate(limits.tolist()):
    own = Memory(memory.keys[:, b : b + 1], memory.values[:, b : b + 1],
                 memory.mask[b : b + 1])
    written, symbol, state = [], start, None
    while len(written) < limit and symbol != end:
        read = decoder(torch.tensor([[[symbol]]]), own, state)
        state, row = read.state, read.log_probs[0, 0, 0].tolist()
        allowed = [k for k in range(len(row)) if k not in excluded]
        symbol = max(allowed, key=lambda k: row[k])
        written.append(symbol)
    results.append(written)
return results

@E35 right all-read-again
results = [[] for _ in limits]
text = torch.full((len(limits), 1, 1), start)
going = {b for b in range(len(limits))}
while going:
    read = decoder(text, memory)  # from the start on, without a state
    best = read.log_probs[:, 0, -1].clone()
    best[:, torch.tensor(list(excluded))] = float("-inf")
    best = best.max(dim=1).indices
    for b in list(going):
        results[b].append(int(best[b]))
        if best[b] == end or len(results[b]) == limits[b]:
            going.remove(b)
    text = torch.cat([text, best[:, None, None]], dim=2)
return results
"""
