"""Answers to the exercises of ``main_seq2seq.py``."""

SHEET = """
@E32 wrong padding-counts
@mistake adds the padding up, too
@mentions padding
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=2)
return losses.sum(dim=1)

@E32 wrong mean
@mistake averages over the targets
@mentions the sum of -log p
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=2)
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1) / n_targets

@E32 wrong one-number
@mistake adds all utterances up
@mentions one loss for each
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=2)
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum()

@E32 wrong no-smoothing
@mistake ignores the smoothing
@mentions the mean of -log p
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1)

@E32 wrong sum-of-all-symbols
@mistake takes the sum over the symbols for their mean
@mentions the mean of -log p
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
losses = (1 - smoothing) * losses - smoothing * log_probs.sum(dim=2)
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1)

@E32 wrong smoothing-added
@mistake leaves the full weight on the target
@mentions 1 - smoothing
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
losses = losses - smoothing * log_probs.mean(dim=2)
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1)

@E32 wrong padding-is-smoothed
@mistake masks the targets, but not their smoothing
@mentions all symbols
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
losses = (1 - smoothing) * losses * inside - smoothing * log_probs.mean(dim=2)
return losses.sum(dim=1)

@E32 wrong one-target-too-many
@mistake counts the first place of the padding
@mentions without padding
losses = F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none")
losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=2)
inside = torch.arange(targets.shape[1]) <= n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1)

@E32 wrong sign
@mistake minimises the probability
losses = log_probs.gather(2, targets.unsqueeze(2)).squeeze(2)
losses = (1 - smoothing) * losses + smoothing * log_probs.mean(dim=2)
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1)

@E32 wrong padding-is-symbol-zero
@mistake takes every 0 for padding, though it is a symbol
losses = F.nll_loss(
    log_probs.transpose(1, 2), targets, reduction="none", ignore_index=0
)
losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=2)
inside = torch.arange(targets.shape[1]) < n_targets.unsqueeze(1)
return (losses * inside).sum(dim=1)

@E32 wrong numbers
@mistake collects numbers: nothing would ever learn
@mentions keep them tensors
totals = []
for rows, symbols, n in zip(log_probs, targets, n_targets):
    total = 0.0
    for row, symbol in zip(rows[:n], symbols[:n]):
        total -= (1 - smoothing) * row[symbol].item() + smoothing * row.mean().item()
    totals.append(total)
return torch.tensor(totals)

@E32 right torch-smooths
marked = targets.clone()
for row, n in zip(marked, n_targets.tolist()):
    row[n:] = -100
losses = F.cross_entropy(
    log_probs.transpose(1, 2),
    marked,
    ignore_index=-100,
    reduction="none",
    label_smoothing=smoothing,
)
return losses.sum(dim=1)

@E32 right labels
labels = F.one_hot(targets, log_probs.shape[2]) * (1 - smoothing)
labels = labels + smoothing / log_probs.shape[2]
places = torch.arange(targets.shape[1]).expand(targets.shape)
labels = labels.masked_fill((places >= n_targets[:, None]).unsqueeze(2), 0.0)
return -torch.einsum("buv,buv->b", labels, log_probs)


@E33 wrong zero-times-infinity
@mistake multiplies an infinite loss by 0
@mentions 0 * inf
ctc = ctc_losses(outputs.encoding.ctc_scores, transcripts, blank)
_, targets, n_targets = shift_transcripts(transcripts)
losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
return ctc_weight * ctc + (1 - ctc_weight) * losses

@E33 wrong infinity-hidden
@mistake hides infinite losses at every weight
@mentions an infinite loss counts
ctc = ctc_losses(outputs.encoding.ctc_scores, transcripts, blank)
_, targets, n_targets = shift_transcripts(transcripts)
losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
ctc = torch.where(ctc.isinf(), torch.zeros_like(ctc), ctc)
losses = torch.where(losses.isinf(), torch.zeros_like(losses), losses)
return ctc_weight * ctc + (1 - ctc_weight) * losses

@E33 wrong weights-exchanged
@mistake gives each loss the weight of the other
if ctc_weight == 0:
    return ctc_losses(outputs.encoding.ctc_scores, transcripts, blank)
_, targets, n_targets = shift_transcripts(transcripts)
losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
if ctc_weight == 1:
    return losses
ctc = ctc_losses(outputs.encoding.ctc_scores, transcripts, blank)
return (1 - ctc_weight) * ctc + ctc_weight * losses

@E33 wrong attention-not-weighted
@mistake adds the whole loss of attention
@mentions the rest times
total = torch.zeros(len(outputs.log_probs))
if ctc_weight > 0:
    scores = outputs.encoding.ctc_scores
    total = total + ctc_weight * ctc_losses(scores, transcripts, blank)
if ctc_weight < 1:
    _, targets, n_targets = shift_transcripts(transcripts)
    losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
    total = total + losses
return total

@E33 wrong smoothing-forgotten
@mistake does not smooth the labels
@mentions smoothed
total = torch.zeros(len(outputs.log_probs))
if ctc_weight > 0:
    scores = outputs.encoding.ctc_scores
    total = total + ctc_weight * ctc_losses(scores, transcripts, blank)
if ctc_weight < 1:
    _, targets, n_targets = shift_transcripts(transcripts)
    losses = attention_losses(outputs.log_probs, targets, n_targets, 0.0)
    total = total + (1 - ctc_weight) * losses
return total

@E33 wrong blank-is-zero
@mistake leaves the blank at 0
total = torch.zeros(len(outputs.log_probs))
if ctc_weight > 0:
    scores = outputs.encoding.ctc_scores
    total = total + ctc_weight * ctc_losses(scores, transcripts, 0)
if ctc_weight < 1:
    _, targets, n_targets = shift_transcripts(transcripts)
    losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
    total = total + (1 - ctc_weight) * losses
return total

@E33 wrong inputs-for-targets
@mistake compares with what was read, not with what follows
total = torch.zeros(len(outputs.log_probs))
if ctc_weight > 0:
    scores = outputs.encoding.ctc_scores
    total = total + ctc_weight * ctc_losses(scores, transcripts, blank)
if ctc_weight < 1:
    inputs, _, n_targets = shift_transcripts(transcripts)
    losses = attention_losses(outputs.log_probs, inputs, n_targets, smoothing)
    total = total + (1 - ctc_weight) * losses
return total

@E33 wrong mean
@mistake returns one number
@mentions one loss for each
total = torch.zeros(len(outputs.log_probs))
if ctc_weight > 0:
    scores = outputs.encoding.ctc_scores
    total = total + ctc_weight * ctc_losses(scores, transcripts, blank)
if ctc_weight < 1:
    _, targets, n_targets = shift_transcripts(transcripts)
    losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
    total = total + (1 - ctc_weight) * losses
return total.mean()

@E33 wrong encoder-detached
@mistake trains the decoder alone: CTC has no gradient
@mentions the gradient must reach
total = torch.zeros(len(outputs.log_probs))
if ctc_weight > 0:
    scores = outputs.encoding.ctc_scores
    losses = ctc_losses(scores, transcripts, blank).detach()
    total = total + ctc_weight * losses
if ctc_weight < 1:
    _, targets, n_targets = shift_transcripts(transcripts)
    losses = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
    total = total + (1 - ctc_weight) * losses
return total

@E33 right one-head-at-a-time
if ctc_weight == 0:
    parts = [(1, "attention")]
elif ctc_weight == 1:
    parts = [(1, "ctc")]
else:
    parts = [(ctc_weight, "ctc"), (1 - ctc_weight, "attention")]
losses = []
for weight, head in parts:
    if head == "ctc":
        losses.append(weight * ctc_losses(outputs.encoding.scores, transcripts, blank))
    else:
        own = shift_transcripts(transcripts)[1:]
        losses.append(weight * attention_losses(outputs.log_probs, *own, smoothing))
return sum(losses)

@E33 right selected
ctc = ctc_losses(outputs.encoding.ctc_scores, transcripts, blank)
read, targets, n_targets = shift_transcripts(transcripts)
attention = attention_losses(outputs.log_probs, targets, n_targets, smoothing)
if ctc_weight in (0, 1):
    return ctc if ctc_weight else attention
return torch.stack([ctc_weight * ctc, (1 - ctc_weight) * attention]).sum(dim=0)
"""
