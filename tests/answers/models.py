"""Answers to the exercises of ``models.py``."""

SHEET = """
@E15 wrong rounded-down
@mistake divides by 4 and rounds down
@mentions 122 -> 61 -> 31
return (1, 32, 122 // 4, 40)

@E15 wrong bands-twice
@mistake halves the bands twice
@mentions 80 -> 40
return (1, 32, 31, 20)

@E15 wrong one-channel
@mistake forgets the channels
@mentions 32 channels
return (1, 1, 31, 40)

@E15 wrong no-batch
@mistake leaves the batch out
return (32, 31, 40)

@E15 wrong time-last
@mistake puts time last
return (1, 32, 40, 31)

@E15 right asks-the-layers
with torch.no_grad():
    return CTCModel.build_cnn(0.0)(torch.zeros(1, 1, 122, 80)).shape

@E15 right computes
n, m = 122, 80
for kernel, stride, padding in ((41, 2, 20), (21, 2, 10)):
    n = (n + 2 * padding - kernel) // stride + 1
return [1, N_CHANNELS, n, (m + 2 * 5 - 11) // 2 + 1]


@E11 wrong floor-division
@mistake a quarter of the frames, rounded down
@mentions layer after layer
return lengths // 4

@E11 wrong ceil-hard-coded
@mistake knows the strides of the lab's layers by heart
@mentions ) then Conv2d(kernel=(2, 3)
return (lengths + 3) // 4

@E11 wrong off-by-one
@mistake forgets the last + 1
@mentions output_lengths(1)
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        k, s, p = layer.kernel_size[0], layer.stride[0], layer.padding[0]
        lengths = (lengths + 2 * p - k) // s
return lengths

@E11 wrong axis-of-the-bands
@mistake reads the geometry of the bands
@mentions that of time is entry 0
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        k, s, p = layer.kernel_size[1], layer.stride[1], layer.padding[1]
        lengths = (lengths + 2 * p - k) // s + 1
return lengths

@E11 wrong strides-alone
@mistake reads the strides, and forgets kernel and padding
@mentions rounded up, holds for some layers only
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        lengths = -(-lengths // layer.stride[0])
return lengths

@E11 wrong first-layer-only
@mistake returns inside the loop
@mentions the last one too
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        margin = 2 * layer.padding[0] - layer.kernel_size[0]
        lengths = (lengths + margin) // layer.stride[0] + 1
        return lengths

@E11 wrong padding-once
@mistake counts the padding of one side
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        margin = layer.padding[0] - layer.kernel_size[0]
        lengths = (lengths + margin) // layer.stride[0] + 1
return lengths

@E11 wrong true-division
@mistake divides without rounding
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        margin = 2 * layer.padding[0] - layer.kernel_size[0]
        lengths = (lengths + margin) / layer.stride[0] + 1
return lengths

@E11 wrong every-layer
@mistake asks layers that are no convolutions: raises
@mentions no attribute 'padding'
for layer in layers:
    margin = 2 * layer.padding[0] - layer.kernel_size[0]
    lengths = (lengths + margin) // layer.stride[0] + 1
return lengths

@E11 wrong wants-a-module
@mistake takes only an nn.Module, not any iterable of layers
@mentions modules
for layer in layers.modules():
    if isinstance(layer, nn.Conv2d):
        margin = 2 * layer.padding[0] - layer.kernel_size[0]
        lengths = (lengths + margin) // layer.stride[0] + 1
return lengths

@E11 wrong lengths-changed-in-place
@mistake changes the tensor of the caller
@mentions the caller's tensor must stay
for layer in layers:
    if isinstance(layer, nn.Conv2d):
        lengths += 2 * layer.padding[0] - layer.kernel_size[0]
        lengths //= layer.stride[0]
        lengths += 1
return lengths

@E11 right dilation-too
for conv in filter(lambda m: isinstance(m, nn.Conv2d), layers):
    reach = conv.dilation[0] * (conv.kernel_size[0] - 1)
    numerator = lengths + 2 * conv.padding[0] - reach - 1
    lengths = torch.div(numerator, conv.stride[0], rounding_mode="floor") + 1
return lengths

@E11 right plain-integers
def one(n):
    for k, s, p in geometry:
        n = (n + 2 * p - k + s) // s
    return n


geometry = []
for m in layers:
    if type(m) is nn.Conv2d:
        geometry.append((m.kernel_size[0], m.stride[0], m.padding[0]))
return torch.tensor([one(n) for n in lengths.tolist()])

@E11 right through-real-numbers
for layer in layers:
    if hasattr(layer, "stride"):
        (k, _), (s, _), (p, _) = layer.kernel_size, layer.stride, layer.padding
        lengths = torch.floor((lengths + 2 * p - k) / s + 1).long()
return lengths


@E07 wrong length-alone
@mistake forgets the blanks between repeats
@mentions a blank between two that are equal
return len(transcript)

@E07 wrong distinct-symbols
@mistake counts symbols that occur again anywhere
@mentions equal
return len(transcript) + len(transcript) - len(set(transcript))

@E07 wrong blank-between-all
@mistake puts a blank between any two symbols
@mentions equal
return max(0, 2 * len(transcript) - 1)

@E07 wrong blanks-around
@mistake counts the states of the CTC graph, not the frames of a path
return 2 * len(transcript) + 1

@E07 wrong runs-counted-once
@mistake adds one blank a run, however long it is
@mentions required_frames([2, 2, 2])
from itertools import groupby

runs = [len(list(run)) for _, run in groupby(transcript)]
return len(transcript) + sum(n > 1 for n in runs)

@E07 wrong past-the-end
@mistake compares the last symbol with one past the end: raises
@mentions IndexError
n = len(transcript)
for i in range(len(transcript)):
    if transcript[i] == transcript[i + 1]:
        n += 1
return n

@E07 wrong wraps-around
@mistake compares the first symbol with the last
@mentions required_frames([1])
repeats = [a for i, a in enumerate(transcript) if a == transcript[i - 1]]
return len(transcript) + len(repeats)

@E07 wrong sorted-first
@mistake brings equal symbols together before it counts
@mentions equal
symbols = sorted(transcript)
repeats = sum(a == b for a, b in zip(symbols, symbols[1:]))
return len(symbols) + repeats

@E07 right groupby
from itertools import groupby

return sum(2 * len(list(run)) - 1 for _, run in groupby(transcript))

@E07 right loop
n = 0
for i in range(len(transcript)):
    if i > 0 and transcript[i] == transcript[i - 1]:
        n += 2
    else:
        n += 1
return n

@E07 right takes-the-list-apart
count, previous = 0, None
while len(transcript) > 0:
    symbol = transcript.pop(0)
    count += 2 if symbol == previous else 1
    previous = symbol
return count

@E07 right tensors
symbols = torch.as_tensor(transcript, dtype=torch.long)
return int(len(symbols) + (symbols[1:] == symbols[:-1]).sum())


@E16 wrong one-frame-too-many
@mistake keeps frame t = length
@mentions t >= length
frames = torch.arange(features.shape[2])
inside = frames <= lengths.unsqueeze(1)
return features * inside[:, None, :, None]

@E16 wrong one-frame-too-few
@mistake drops the last frame too
frames = torch.arange(features.shape[2])
inside = frames < lengths.unsqueeze(1) - 1
return features * inside[:, None, :, None]

@E16 wrong other-side
@mistake keeps the padding and drops the utterance
@mentions t >= length
frames = torch.arange(features.shape[2])
outside = frames >= lengths.unsqueeze(1)
return features * outside[:, None, :, None]

@E16 wrong no-mask
@mistake returns the features as they are
return features

@E16 wrong over-the-bands
@mistake masks the last axis
frames = torch.arange(features.shape[3])
inside = frames < lengths.unsqueeze(1)
return features * inside[:, None, None, :]

@E16 wrong over-the-channels
@mistake masks channels instead of frames
@mentions all channels
masked = features.clone()
for b, n in enumerate(lengths):
    masked[b, n:] = 0
return masked

@E16 wrong first-channel
@mistake masks one channel
@mentions in all channels
masked = features.clone()
for b, n in enumerate(lengths):
    masked[b, 0, n:] = 0
return masked

@E16 wrong mask-on-the-cpu
@mistake makes the mask on the CPU, wherever the features are
@mentions features.device
inside = torch.arange(features.shape[2]) < lengths.unsqueeze(1)
return features * inside[:, None, :, None]

@E16 wrong cut-not-masked
@mistake cuts at the shortest
@mentions shape (4, 2, 1, 3)
return features[:, :, : lengths.min()]

@E16 right masked-fill
t = torch.arange(features.size(2), device=features.device).view(1, 1, -1, 1)
n = lengths.to(features.device).view(-1, 1, 1, 1)
return features.masked_fill(t >= n, 0.0)

@E16 right loop
rows = []
for row, n in zip(features, lengths.tolist()):
    row = row.clone()
    row[:, n:, :] = 0
    rows.append(row)
return torch.stack(rows)

@E16 right einsum
mask = torch.zeros(len(features), features.shape[2], device=features.device)
for b in range(len(lengths)):
    mask[b, : lengths[b]] = 1
return torch.einsum("bctm,bt->bctm", features, mask)

@E16 right where
t = torch.arange(features.shape[2], device=features.device)
inside = torch.stack([t < n for n in lengths])
return torch.where(inside[:, None, :, None], features, torch.zeros_like(features))


@E17 wrong dropout-of-values
@mistake drops single values, not channels
@mentions Dropout single values
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout(dropout),
    nn.Conv2d(32, 32, (21, 11), (2, 1), (10, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout(dropout),
)

@E17 wrong no-bounds
@mistake leaves Hardtanh its bounds of -1 and 1
@mentions Hardtanh(0, 20)
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(),
    nn.Dropout2d(dropout),
    nn.Conv2d(32, 32, (21, 11), (2, 1), (10, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(),
    nn.Dropout2d(dropout),
)

@E17 wrong no-normalisation
@mistake forgets the batch normalisation
@mentions batch normalisation after each
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
    nn.Conv2d(32, 32, (21, 11), (2, 1), (10, 5)),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
)

@E17 wrong bounds-first
@mistake normalises after the bounds
@mentions after the normalisation
layers = []
for n, k, s, p in ((1, (41, 11), 2, (20, 5)), (32, (21, 11), (2, 1), (10, 5))):
    layers += [nn.Conv2d(n, 32, k, s, p), nn.Hardtanh(0, 20), nn.BatchNorm2d(32)]
    layers += [nn.Dropout2d(dropout)]
return nn.Sequential(*layers)

@E17 wrong kernel-swapped
@mistake takes the kernels as (M, T)
@mentions kernel, stride and padding
return nn.Sequential(
    nn.Conv2d(1, 32, (11, 41), (2, 2), (5, 20)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
    nn.Conv2d(32, 32, (11, 21), (2, 1), (5, 10)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
)

@E17 wrong stride-swapped
@mistake swaps the stride of the second convolution
@mentions (1, 2)
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
    nn.Conv2d(32, 32, (21, 11), (1, 2), (10, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
)

@E17 wrong no-padding
@mistake forgets the padding
@mentions (0, 0)
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
    nn.Conv2d(32, 32, (21, 11), (2, 1)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
)

@E17 wrong relu
@mistake has no upper bound
@mentions Hardtanh(0, 20)
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Dropout2d(dropout),
    nn.Conv2d(32, 32, (21, 11), (2, 1), (10, 5)),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Dropout2d(dropout),
)

@E17 wrong one-dropout
@mistake drops out once, at the end
@mentions after each of the two
return nn.Sequential(
    nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Conv2d(32, 32, (21, 11), (2, 1), (10, 5)),
    nn.BatchNorm2d(32),
    nn.Hardtanh(0, 20),
    nn.Dropout2d(dropout),
)

@E17 wrong probability-to-keep
@mistake takes the argument for the probability of keeping
@mentions the argument is the probability
layers = []
for n, k, s, p in ((1, (41, 11), 2, (20, 5)), (32, (21, 11), (2, 1), (10, 5))):
    layers += [nn.Conv2d(n, 32, k, s, p), nn.BatchNorm2d(32), nn.Hardtanh(0, 20)]
    layers += [nn.Dropout2d(1 - dropout)]
return nn.Sequential(*layers)

@E17 wrong dropout-ignored
@mistake leaves Dropout2d its own probability
@mentions the argument is the probability
layers = []
for n, k, s, p in ((1, (41, 11), 2, (20, 5)), (32, (21, 11), (2, 1), (10, 5))):
    layers += [nn.Conv2d(n, 32, k, s, p), nn.BatchNorm2d(32), nn.Hardtanh(0, 20)]
    layers += [nn.Dropout2d()]
return nn.Sequential(*layers)

@E17 wrong nested-blocks
@mistake hides the layers in blocks, where convolve() does not find them
@mentions convolve()
def block(n, k, s, p):
    return nn.Sequential(
        nn.Conv2d(n, 32, k, s, p),
        nn.BatchNorm2d(32),
        nn.Hardtanh(0, 20),
        nn.Dropout2d(dropout),
    )


return nn.Sequential(
    block(1, (41, 11), (2, 2), (20, 5)), block(32, (21, 11), (2, 1), (10, 5))
)

@E17 wrong bounds-of-its-own
@mistake bounds by a module that convolve() does not know, so that nothing is masked
@mentions convolve()
class Bounds(nn.Module):
    def forward(self, x):
        return x.clamp(0, 20)


layers = []
for n, k, s, p in ((1, (41, 11), 2, (20, 5)), (32, (21, 11), (2, 1), (10, 5))):
    layers += [nn.Conv2d(n, 32, k, s, p), nn.BatchNorm2d(32), Bounds()]
    layers += [nn.Dropout2d(dropout)]
return nn.Sequential(*layers)

@E17 wrong layers-with-names
@mistake names the layers, so that no checkpoint fits
@mentions the checkpoints name the layers
from collections import OrderedDict

layers = OrderedDict()
for n, k, s, p in ((1, (41, 11), 2, (20, 5)), (32, (21, 11), (2, 1), (10, 5))):
    layers[f"conv{n}"] = nn.Conv2d(n, 32, k, s, p)
    layers[f"norm{n}"] = nn.BatchNorm2d(32)
    layers[f"bounds{n}"] = nn.Hardtanh(0, 20)
    layers[f"dropout{n}"] = nn.Dropout2d(dropout)
return nn.Sequential(layers)

@E17 right no-bias-before-normalisation
layers = []
for n, k, s, p in ((1, (41, 11), 2, (20, 5)), (32, (21, 11), (2, 1), (10, 5))):
    layers += [nn.Conv2d(n, 32, k, s, p, bias=False), nn.BatchNorm2d(32)]
    layers += [nn.Hardtanh(0, 20), nn.Dropout2d(dropout)]
return nn.Sequential(*layers)

@E17 right list-of-layers
table = [
    (1, (41, 11), (2, 2), (20, 5)),
    (N_CHANNELS, (21, 11), (2, 1), (10, 5)),
]
layers = []
for n_in, kernel, stride, padding in table:
    layers.append(nn.Conv2d(n_in, N_CHANNELS, kernel, stride, padding))
    layers.append(nn.BatchNorm2d(num_features=N_CHANNELS))
    layers.append(nn.Hardtanh(min_val=0, max_val=MAX_ACTIVATION, inplace=True))
    layers.append(nn.Dropout2d(p=dropout))
return nn.Sequential(*layers)

@E17 right appended-with-helper
def add(n_in, kernel, stride):
    half = (kernel[0] // 2, kernel[1] // 2)
    conv = nn.Conv2d(n_in, 32, kernel, stride=stride, padding=half)
    parts = conv, nn.BatchNorm2d(32), nn.Hardtanh(0, 20), nn.Dropout2d(dropout)
    for part in parts:
        cnn.add_module(str(len(cnn)), part)


cnn = nn.Sequential()
add(1, (41, 11), 2)
add(32, (21, 11), (2, 1))
return cnn


@E18 wrong one-direction
@mistake reads forwards only
@mentions two directions
return CELL_TYPES[cell_type](
    n_features, nhidden, nlayers, dropout=dropout if nlayers > 1 else 0
)

@E18 wrong one-direction-of-twice-the-units
@mistake reads forwards only, with 2 H units
@mentions bidirectional=True
return CELL_TYPES[cell_type](
    n_features, 2 * nhidden, nlayers, dropout=dropout if nlayers > 1 else 0
)

@E18 wrong batch-first
@mistake takes the first axis for the batch
@mentions no batch_first
p = dropout if nlayers > 1 else 0
return CELL_TYPES[cell_type](
    n_features, nhidden, nlayers, batch_first=True, dropout=p, bidirectional=True
)

@E18 wrong no-dropout
@mistake forgets the dropout
@mentions dropout stands between two layers
return CELL_TYPES[cell_type](n_features, nhidden, nlayers, bidirectional=True)

@E18 wrong half-the-units
@mistake shares H between the directions
@mentions 2 H numbers
return CELL_TYPES[cell_type](
    n_features, nhidden // 2, nlayers, dropout=dropout, bidirectional=True
)

@E18 wrong twice-the-units
@mistake gives each direction 2 H units
@mentions 2 H numbers
return CELL_TYPES[cell_type](
    n_features, 2 * nhidden, nlayers, dropout=dropout, bidirectional=True
)

@E18 wrong one-layer
@mistake forgets the number of layers
@mentions x layers
return CELL_TYPES[cell_type](n_features, nhidden, bidirectional=True)

@E18 wrong always-gru
@mistake builds a GRU whatever is asked for
@mentions 'LSTM'
p = dropout if nlayers > 1 else 0.0
return nn.GRU(n_features, nhidden, nlayers, dropout=p, bidirectional=True)

@E18 wrong no-biases
@mistake takes the fourth argument for the dropout: it is bias
return CELL_TYPES[cell_type](
    n_features, nhidden, nlayers, 0, dropout=dropout, bidirectional=True
)

@E18 wrong dropout-by-heart
@mistake writes the probability down instead of using the argument
@mentions the argument is the probability
return CELL_TYPES[cell_type](
    n_features, nhidden, nlayers, dropout=0.5, bidirectional=True
)

@E18 right by-name
cell = getattr(nn, cell_type)
options = {"num_layers": nlayers, "bidirectional": True}
if nlayers > 1:
    options["dropout"] = dropout
return cell(n_features, nhidden, **options)

@E18 right branches
if cell_type == "GRU":
    kind = nn.GRU
elif cell_type == "LSTM":
    kind = nn.LSTM
p = dropout * (nlayers > 1)
return kind(n_features, nhidden, nlayers, True, False, p, True)

@E18 right dropout-with-one-layer-too
return CELL_TYPES[cell_type](
    n_features, nhidden, nlayers, dropout=dropout, bidirectional=True
)


@E19 wrong one-direction
@mistake expects H numbers a frame, not 2 H
return nn.Sequential(nn.Linear(nhidden, vocab_size))

@E19 wrong softmax
@mistake adds a log-softmax
@mentions no activation
return nn.Sequential(nn.Linear(2 * nhidden, vocab_size), nn.LogSoftmax(dim=-1))

@E19 wrong relu
@mistake adds a ReLU
@mentions no activation
return nn.Sequential(nn.Linear(2 * nhidden, vocab_size), nn.ReLU())

@E19 wrong bare-linear
@mistake returns the layer without its nn.Sequential
@mentions charlin.0.weight
return nn.Linear(2 * nhidden, vocab_size)

@E19 wrong no-bias
@mistake has no biases
@mentions V biases
return nn.Sequential(nn.Linear(2 * nhidden, vocab_size, bias=False))

@E19 wrong two-layers
@mistake has a hidden layer
@mentions V biases
return nn.Sequential(
    nn.Linear(2 * nhidden, nhidden), nn.ReLU(), nn.Linear(nhidden, vocab_size)
)

@E19 right appended
layers = [nn.Linear(in_features=nhidden + nhidden, out_features=vocab_size)]
return nn.Sequential(*layers)

@E19 right linear-of-its-own
class Scores(nn.Linear):
    def forward(self, frames):
        return torch.einsum("...h,vh->...v", frames, self.weight) + self.bias


head = nn.Sequential()
head.add_module("0", Scores(nhidden * 2, vocab_size))
return head


@E20 wrong cnn-directly
@mistake convolves without masks: the padding is felt
@mentions convolve()
spectrograms, lengths = pad_packed_sequence(inputs)
features = self.cnn(spectrograms.transpose(0, 1).unsqueeze(1))
lengths = output_lengths(lengths, self.cnn)
features = features.permute(2, 0, 1, 3).flatten(2)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong input-lengths
@mistake packs T' frames with the lengths T: raises
@mentions from before the convolutions?
spectrograms, lengths = pad_packed_sequence(inputs)
features, _ = self.convolve(spectrograms.transpose(0, 1).unsqueeze(1), lengths)
features = features.permute(2, 0, 1, 3).flatten(2)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong view-not-permute
@mistake reshapes (B, C, T', M') without moving the axes
@mentions permute, then flatten
spectrograms, lengths = pad_packed_sequence(inputs)
features = spectrograms.transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
B, C, T, M = features.shape
features = features.reshape(T, B, C * M)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong view-of-the-inputs
@mistake reshapes (T, B, M) without moving the axes
spectrograms, lengths = pad_packed_sequence(inputs)
T, B, M = spectrograms.shape
features, lengths = self.convolve(spectrograms.reshape(B, 1, T, M), lengths)
features = features.permute(2, 0, 1, 3).flatten(2)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong bands-before-channels
@mistake flattens (M', C): not the order that the weights are trained for
@mentions permute, then flatten
spectrograms, lengths = pad_packed_sequence(inputs)
features = spectrograms.transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
features = features.permute(2, 0, 3, 1).flatten(2)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong rnn-over-padding
@mistake runs the recurrent layers over the padding
@mentions pack what they read
spectrograms, lengths = pad_packed_sequence(inputs)
features = spectrograms.transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
outputs, _ = self.rnn(features.permute(2, 0, 1, 3).flatten(2))
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong enforce-sorted
@mistake lets pack_padded_sequence ask for an order: raises
@mentions enforce_sorted
spectrograms, lengths = pad_packed_sequence(inputs)
features = spectrograms.transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
packed = pack_padded_sequence(features.permute(2, 0, 1, 3).flatten(2), lengths)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 wrong order-not-restored
@mistake sorts the utterances, and does not restore their order
@mentions in the order of the inputs
spectrograms, lengths = pad_packed_sequence(inputs)
lengths, order = lengths.sort(descending=True)
features = spectrograms[:, order].transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
packed = pack_padded_sequence(features.permute(2, 0, 1, 3).flatten(2), lengths)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths)

@E20 wrong softmax
@mistake returns probabilities
@mentions no softmax at the end
spectrograms, lengths = pad_packed_sequence(inputs)
features = spectrograms.transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
features = features.permute(2, 0, 1, 3).flatten(2)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
probabilities = self.charlin(outputs).softmax(dim=2)
return pack_padded_sequence(probabilities, lengths, enforce_sorted=False)

@E20 wrong not-packed
@mistake returns the padded scores
@mentions not a PackedSequence
spectrograms, lengths = pad_packed_sequence(inputs)
features = spectrograms.transpose(0, 1).unsqueeze(1)
features, lengths = self.convolve(features, lengths)
features = features.permute(2, 0, 1, 3).flatten(2)
packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return self.charlin(outputs)

@E20 wrong no-gradient
@mistake cuts the graph: nothing before the linear layer would ever learn
@mentions the gradient must reach every weight
with torch.no_grad():
    spectrograms, lengths = pad_packed_sequence(inputs)
    features = spectrograms.transpose(0, 1).unsqueeze(1)
    features, lengths = self.convolve(features, lengths)
    features = features.permute(2, 0, 1, 3).flatten(2)
    packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
    outputs, lengths = pad_packed_sequence(self.rnn(packed)[0])
return pack_padded_sequence(self.charlin(outputs), lengths, enforce_sorted=False)

@E20 right data-of-the-packed
x, lengths = pad_packed_sequence(inputs, batch_first=True)
x, lengths = self.convolve(x[:, None], lengths)
x = torch.einsum("bctm->tbcm", x)
x = x.reshape(x.shape[0], x.shape[1], -1)
hidden = self.rnn(pack_padded_sequence(x, lengths, enforce_sorted=False))[0]
return hidden._replace(data=self.charlin(hidden.data))

@E20 right batch-first
x, n = pad_packed_sequence(inputs, batch_first=True)
maps, n = self.convolve(x.unsqueeze(1), n)
frames = torch.cat(list(maps.transpose(1, 2).unbind(2)), dim=2)
packed = pack_padded_sequence(frames, n, batch_first=True, enforce_sorted=False)
hidden, n = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
scores = self.charlin(hidden)
return pack_padded_sequence(scores, n, batch_first=True, enforce_sorted=False)

@E20 right sequences-and-log-softmax
x, n = pad_packed_sequence(inputs)
x, n = self.convolve(x.permute(1, 0, 2).unsqueeze(dim=1), n)
frames = [
    one[:, :length].transpose(0, 1).flatten(1) for one, length in zip(x, n.tolist())
]
hidden, _ = self.rnn(pack_sequence(frames, enforce_sorted=False))
padded, n = pad_packed_sequence(hidden)
scores = [
    self.charlin(padded[:length, b]).log_softmax(dim=1) for b, length in enumerate(n)
]
return pack_sequence(scores, enforce_sorted=False)


@E22 wrong detached
@mistake cuts the penalty from its gradient
@mentions .detach()
total = 0
for p in self.parameters():
    if p.dim() > 1:
        total = total + p.detach().abs().sum()
return self.l1 * total

@E22 wrong squared
@mistake is an L2 penalty
@mentions absolute values
return self.l1 * sum(p.square().sum() for p in self.parameters() if p.dim() > 1)

@E22 wrong euclidean-norm
@mistake takes the default norm, the Euclidean one
@mentions absolute values
return self.l1 * sum(p.norm() for p in self.parameters() if p.dim() > 1)

@E22 wrong biases-too
@mistake includes biases and normalisation
@mentions all matrices and kernels
return self.l1 * sum(p.abs().sum() for p in self.parameters())

@E22 wrong by-name
@mistake takes every "weight" for a matrix, those of the normalisation too
@mentions matrices and kernels
weights = [p for name, p in self.named_parameters() if "weight" in name]
return self.l1 * sum(w.abs().sum() for w in weights)

@E22 wrong l1-forgotten
@mistake forgets the factor l1
@mentions l1 times the sum
return sum(p.abs().sum() for p in self.parameters() if p.dim() > 1)

@E22 wrong mean
@mistake takes the mean instead of the sum
@mentions sum
return self.l1 * sum(p.abs().mean() for p in self.parameters() if p.dim() > 1)

@E22 wrong matrices-only
@mistake forgets the kernels, of four dimensions
@mentions kernels
return self.l1 * sum(p.abs().sum() for p in self.parameters() if p.dim() == 2)

@E22 wrong no-absolute-value
@mistake sums the weights with their signs
@mentions absolute values
return self.l1 * sum(p.sum() for p in self.parameters() if p.dim() > 1)

@E22 wrong a-number
@mistake returns a Python number, without gradient
@mentions no .item()
total = 0.0
for p in self.parameters():
    if p.dim() > 1:
        total += p.abs().sum().item()
return self.l1 * total

@E22 right one-long-vector
rows = [p.flatten() for p in self.parameters() if p.ndim > 1]
return self.l1 * torch.linalg.vector_norm(torch.cat(rows), ord=1)

@E22 right l1-loss
total = torch.zeros(())
for name, p in self.named_parameters():
    if "bias" in name or p.dim() == 1:
        continue
    zeros = torch.zeros_like(p)
    total = total + nn.functional.l1_loss(p, zeros, reduction="sum")
return total * self.l1

@E22 right norms-by-layer
norms = []
for module in self.modules():
    for p in module.parameters(recurse=False):
        if len(p.shape) >= 2:
            norms.append(p.norm(p=1))
return torch.stack(norms).sum().mul(self.l1)
"""
