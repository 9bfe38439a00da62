"""Answers to the exercises of ``main_ctc.py``."""

SHEET = """
@E10 wrong mean
@mistake averages over the utterances
@mentions no reduction
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(padded.log_softmax(2), targets, n_frames, n_chars, blank)

@E10 wrong no-log-softmax
@mistake passes scores for log-probabilities
@mentions may even be negative
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(padded, targets, n_frames, n_chars, blank, reduction="none")

@E10 wrong softmax-without-log
@mistake passes probabilities for log-probabilities
@mentions log_softmax, not softmax
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(
    padded.softmax(2), targets, n_frames, n_chars, blank, reduction="none"
)

@E10 wrong softmax-over-time
@mistake normalises over time
@mentions not over the frames
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(
    padded.log_softmax(0), targets, n_frames, n_chars, blank, reduction="none"
)

@E10 wrong zero-infinity
@mistake hides the utterances that do not fit
@mentions infinite
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(
    padded.log_softmax(2),
    targets,
    n_frames,
    n_chars,
    blank,
    reduction="none",
    zero_infinity=True,
)

@E10 wrong lengths-swapped
@mistake swaps the two vectors of lengths
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(
    padded.log_softmax(2), targets, n_chars, n_frames, blank, reduction="none"
)

@E10 wrong blank-ignored
@mistake leaves the blank at 0
@mentions the blank is the argument
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
return F.ctc_loss(
    padded.log_softmax(2), targets, n_frames, n_chars, reduction="none"
)

@E10 wrong targets-time-first
@mistake passes the targets as (U, B)
@mentions utterance by utterance
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts)
return F.ctc_loss(
    padded.log_softmax(2), targets, n_frames, n_chars, blank, reduction="none"
)

@E10 wrong all-frames
@mistake counts the padding as frames
@mentions the padding is no frame
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
n_frames = torch.full_like(n_frames, len(padded))
return F.ctc_loss(
    padded.log_softmax(2), targets, n_frames, n_chars, blank, reduction="none"
)

@E10 wrong by-the-length
@mistake divides each loss by the length of its transcript
@mentions not divided by a length
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts, batch_first=True)
losses = F.ctc_loss(
    padded.log_softmax(2), targets, n_frames, n_chars, blank, reduction="none"
)
return losses / n_chars

@E10 wrong without-gradient
@mistake collects numbers: nothing would ever learn
@mentions differentiable
padded, n_frames = pad_packed_sequence(scores)
targets, n_chars = pad_packed_sequence(transcripts)
losses = []
for b, (n, u) in enumerate(zip(n_frames, n_chars)):
    log_probs = padded[:n, b].log_softmax(1)
    target = targets[:u, b]
    loss = F.ctc_loss(log_probs, target, n, u, blank, reduction="sum")
    losses.append(loss.item())
return torch.tensor(losses)

@E10 right loss-module
x, n = pad_packed_sequence(scores)
y, u = pad_packed_sequence(transcripts, batch_first=True)
criterion = nn.CTCLoss(blank=blank, reduction="none")
return criterion(nn.LogSoftmax(dim=-1)(x), y, n, u)

@E10 right targets-in-a-row
x, n = pad_packed_sequence(scores)
y, u = pad_packed_sequence(transcripts)
flat = torch.cat([y[:length, b] for b, length in enumerate(u)])
log_probs = x - x.logsumexp(dim=2, keepdim=True)
return F.ctc_loss(log_probs, flat, n, u, blank=blank, reduction="none")

@E10 right one-by-one
x, n = pad_packed_sequence(scores)
y, u = pad_packed_sequence(transcripts)
losses = []
for b in range(len(n)):
    log_probs = x[: n[b], b].softmax(-1).log()
    losses.append(
        F.ctc_loss(log_probs, y[: u[b], b], n[b], u[b], blank, reduction="sum")
    )
return torch.stack(losses)

@E10 right forward-algorithm
def cost(frames, symbols):
    states = [blank]
    for symbol in symbols:
        states += [symbol, blank]
    frames = frames[:, states]
    none = torch.tensor(-1e30)
    alpha = [frames[0, s] if s < 2 else none for s in range(len(states))]
    for frame in frames[1:]:
        ways = [[a] for a in alpha]
        for s, symbol in enumerate(states):
            if s > 0:
                ways[s].append(alpha[s - 1])
            if s > 1 and symbol not in (blank, states[s - 2]):
                ways[s].append(alpha[s - 2])
        alpha = [torch.stack(w).logsumexp(0) + f for w, f in zip(ways, frame)]
    total = -torch.stack(alpha[-2:]).logsumexp(0)
    return total if total < 1e20 else total + torch.inf


x, n = pad_packed_sequence(scores)
y, u = pad_packed_sequence(transcripts)
x = x.log_softmax(2)
return torch.stack(
    [cost(x[: n[b], b], y[: u[b], b].tolist()) for b in range(len(n))]
)


@E21 wrong l1-forgotten
@mistake forgets l1, which is 0 by default
@mentions args.l1
return CTCModel(
    charmap,
    args.nmels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    args.cell_type,
    args.dropout,
)

@E21 wrong always-gru
@mistake does not ask for the cell
@mentions LSTM
return CTCModel(
    charmap,
    args.nmels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    "GRU",
    args.dropout,
    args.l1,
)

@E21 wrong units-and-layers-swapped
@mistake swaps the units and the layers
@mentions LSTM layers of 2 x
return CTCModel(
    charmap,
    args.nmels,
    args.nlayers_rnn,
    args.nhidden_rnn,
    args.cell_type,
    args.dropout,
    args.l1,
)

@E21 wrong dropout-and-l1-swapped
@mistake swaps the dropout and l1
@mentions args.dropout
return CTCModel(
    charmap,
    args.nmels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    args.cell_type,
    args.l1,
    args.dropout,
)

@E21 wrong the-lab-s-bands
@mistake writes the number of bands down
@mentions over 32 x
return CTCModel(
    charmap,
    20,
    args.nhidden_rnn,
    args.nlayers_rnn,
    args.cell_type,
    args.dropout,
    args.l1,
)

@E21 wrong option-misspelled
@mistake reads an option that does not exist: raises
@mentions n_mels
return CTCModel(
    charmap,
    args.n_mels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    args.cell_type,
    args.dropout,
    args.l1,
)

@E21 wrong always-lstm
@mistake writes the cell down
@mentions GRU
return CTCModel(
    charmap,
    args.nmels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    "LSTM",
    args.dropout,
    args.l1,
)

@E21 wrong alphabet-of-its-own
@mistake makes another alphabet instead of taking the one given
@mentions not a new CharMap
return CTCModel(
    CharMap(),
    args.nmels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    args.cell_type,
    args.dropout,
    args.l1,
)

@E21 right positional
return CTCModel(
    charmap,
    args.nmels,
    args.nhidden_rnn,
    args.nlayers_rnn,
    args.cell_type,
    args.dropout,
    args.l1,
)

@E21 right options-by-name
options = dict(vars(args))
names = ("nhidden_rnn", "nlayers_rnn", "cell_type", "dropout", "l1")
chosen = {name: options[name] for name in names}
return CTCModel(charmap=charmap, n_mels=options["nmels"], **chosen)


@E13 wrong adam
@mistake adds the decay to the gradient
@mentions AdamW
return torch.optim.Adam(
    model.parameters(), lr=args.base_lr, weight_decay=args.weight_decay
)

@E13 wrong sgd
@mistake takes plain gradient descent
@mentions AdamW
return torch.optim.SGD(
    model.parameters(), lr=args.base_lr, weight_decay=args.weight_decay
)

@E13 wrong recurrent-layers-only
@mistake leaves all but the recurrent layers as they are: raises
@mentions rnn
return torch.optim.AdamW(
    model.rnn.parameters(), lr=args.base_lr, weight_decay=args.weight_decay
)

@E13 wrong weights-only
@mistake leaves the biases out
@mentions every parameter
weights = [p for p in model.parameters() if p.dim() > 1]
return torch.optim.AdamW(weights, lr=args.base_lr, weight_decay=args.weight_decay)

@E13 wrong lr-ignored
@mistake leaves the learning rate at its default
@mentions two options
return torch.optim.AdamW(model.parameters(), weight_decay=args.weight_decay)

@E13 wrong decay-ignored
@mistake leaves the decay at its default
@mentions two options
return torch.optim.AdamW(model.parameters(), lr=args.base_lr)

@E13 wrong options-swapped
@mistake swaps the two options
return torch.optim.AdamW(
    model.parameters(), lr=args.weight_decay, weight_decay=args.base_lr
)

@E13 wrong betas-of-another-paper
@mistake changes the betas, which no option asks for
@mentions betas and eps as they are
return torch.optim.AdamW(
    model.parameters(),
    lr=args.base_lr,
    betas=(0.9, 0.98),
    weight_decay=args.weight_decay,
)

@E13 wrong no-momentum
@mistake leaves the mean of the gradients out
@mentions betas and eps as they are
return torch.optim.AdamW(
    model.parameters(), args.base_lr, (0.0, 0.999), weight_decay=args.weight_decay
)

@E13 right groups
groups = [{"params": [p]} for _, p in model.named_parameters()]
return torch.optim.AdamW(groups, args.base_lr, weight_decay=args.weight_decay)

@E13 right decay-by-hand
class Decaying(torch.optim.Adam):
    def step(self, closure=None):
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(1 - group["lr"] * args.weight_decay)
        return super().step(closure)


return Decaying(model.parameters(), lr=args.base_lr)


@E14 wrong no-zeroing
@mistake adds to the gradients of the step before
@mentions zero it
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong zeroed-after-backward
@mistake zeroes the gradients once they are computed
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
optimizer.zero_grad()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong no-clipping
@mistake does not clip
@mentions clip the norm
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
optimizer.step()
return losses, extra, scores

@E14 wrong clipped-after-the-update
@mistake clips when the update is done
@mentions then update
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
optimizer.step()
clip_grad_norm_(model.parameters(), grad_clip)
return losses, extra, scores

@E14 wrong clipped-before-backward
@mistake clips before there are gradients
@mentions grad_clip 0.5
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
clip_grad_norm_(model.parameters(), grad_clip)
(losses.mean() + extra).backward()
optimizer.step()
return losses, extra, scores

@E14 wrong values-clipped
@mistake clips each value, not the norm of all
@mentions grad_clip 0.5
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
torch.nn.utils.clip_grad_value_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong each-parameter-clipped
@mistake clips the gradient of each parameter by itself
@mentions one norm
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
for parameter in model.parameters():
    clip_grad_norm_(parameter, grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong penalty-left-out
@mistake returns the penalty, but does not minimise it
@mentions losses.mean() + penalty
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
losses.mean().backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong penalty-after-the-update
@mistake asks for the penalty again once the network is updated
@mentions before the update
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
(losses.mean() + penalty()).backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, penalty(), scores

@E14 wrong sum
@mistake minimises the sum of the losses
@mentions losses.mean() + penalty
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.sum() + extra).backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong no-update
@mistake forgets the update
@mentions losses.mean() + penalty
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
clip_grad_norm_(model.parameters(), grad_clip)
return losses, extra, scores

@E14 wrong mean-returned
@mistake returns one number for the losses
@mentions the loss of each utterance
optimizer.zero_grad()
scores = model(minibatch[0])
loss = compute_losses(scores, minibatch[1]).mean()
extra = penalty()
(loss + extra).backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return loss.item(), extra, scores

@E14 wrong total-returned
@mistake returns the losses with the penalty in them
@mentions losses
optimizer.zero_grad()
scores = model(minibatch[0])
extra = penalty()
losses = compute_losses(scores, minibatch[1]) + extra
losses.mean().backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra, scores

@E14 wrong penalty-as-a-number
@mistake returns the penalty as a Python number, which the caller cannot read
@mentions penalty
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
(losses.mean() + extra).backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, extra.item(), scores

@E14 wrong two-values
@mistake returns two values of three: raises
@mentions expected 3, got 2
optimizer.zero_grad()
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
(losses.mean() + penalty()).backward()
clip_grad_norm_(model.parameters(), grad_clip)
optimizer.step()
return losses, scores

@E14 right two-backwards
model.zero_grad()
x, y = minibatch
scores = model(x)
losses = compute_losses(scores, y)
torch.mean(losses).backward(retain_graph=True)
extra = penalty()
extra.backward()
nn.utils.clip_grad_norm_(list(model.parameters()), max_norm=grad_clip)
optimizer.step()
return losses.detach(), extra.detach(), scores

@E14 right gradients-by-hand
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
extra = penalty()
parameters = [p for p in model.parameters() if p.requires_grad]
gradients = torch.autograd.grad((losses + extra).mean(), parameters)
norm = torch.cat([g.flatten() for g in gradients]).norm()
for p, g in zip(parameters, gradients):
    p.grad = g * min(1.0, grad_clip / norm.item())
optimizer.step()
return losses, extra, scores

@E14 right zeroed-in-between
scores = model(minibatch[0])
losses = compute_losses(scores, minibatch[1])
regulariser = penalty()
objective = losses.sum() / losses.numel() + regulariser
for p in model.parameters():
    p.grad = None
objective.backward()
clip_grad_norm_(model.parameters(), grad_clip, norm_type=2)
optimizer.step()
return losses, regulariser, scores
"""
