"""Answers to the exercises of ``data.py``."""

SHEET = """
@E01 wrong letters-only
@mistake counts the letters of the language
@mentions 26 letters
return 26

@E01 wrong without-blank
@mistake leaves the blank out
@mentions one of them the blank
return CharMap().vocab_size - 1

@E01 wrong property-called
@mistake calls a property like a method: raises
@mentions 'int' object is not callable
return CharMap().vocab_size()

@E01 wrong asked-of-the-class
@mistake reads the property off the class: gets the property itself
@mentions property object
return CharMap.vocab_size

@E01 right counts-the-list
return len(CharMap().idx2char)

@E01 right largest-index
charmap = CharMap()
return max(charmap.char2idx.values()) + 1


@E02 wrong assumed-round-trip
@mistake believes that decoding gives the sentence itself back
@mentions case, accents and ! are lost
return CharMap().encode(QUESTION_SENTENCE), QUESTION_SENTENCE

@E02 wrong markers-cut
@mistake leaves the markers out
@mentions ¶ (16)
charmap = CharMap()
encoded = charmap.encode(QUESTION_SENTENCE)[1:-1]
return encoded, charmap.decode(encoded)

@E02 wrong plain-text
@mistake cleans the decoded text
@mentions decoding gives
charmap = CharMap()
encoded = charmap.encode(QUESTION_SENTENCE)
return encoded, charmap.plain(charmap.decode(encoded))

@E02 wrong by-hand-without-normalising
@mistake looks the characters up without normalising them: raises
@mentions KeyError
charmap = CharMap()
encoded = [charmap.char2idx[char] for char in QUESTION_SENTENCE]
return encoded, charmap.decode(encoded)

@E02 wrong swapped
@mistake returns the text first
charmap = CharMap()
indices = charmap.encode(QUESTION_SENTENCE)
return charmap.decode(indices), indices

@E02 wrong accent-unknown
@mistake lowers the case but keeps the accent, which becomes unknown
charmap = CharMap()
unknown = charmap.char2idx[charmap.unknown]
text = charmap.soschar + QUESTION_SENTENCE.lower() + charmap.eoschar
encoded = [charmap.char2idx.get(char, unknown) for char in text]
return encoded, charmap.decode(encoded)

@E02 right joined-by-hand
cm = CharMap()
idx = cm.encode(QUESTION_SENTENCE)
s = ""
for i in idx:
    s += cm.idx2char[i]
return [idx, s]

@E02 right normalised-by-hand
from labkit.text import normalise

cm = CharMap()
text = cm.soschar + normalise(QUESTION_SENTENCE) + cm.eoschar
return [cm.char2idx[c] for c in text], text


@E03 wrong default-n-fft
@mistake forgets n_fft
return nn.Sequential(
    MelSpectrogram(rate, hop_length=hop_length, n_mels=nmels), AmplitudeToDB()
)

@E03 wrong default-hop
@mistake forgets the step
@mentions check hop_length
return nn.Sequential(MelSpectrogram(rate, n_fft, n_mels=nmels), AmplitudeToDB())

@E03 wrong default-bands
@mistake forgets the number of bands
@mentions check n_mels
return nn.Sequential(
    MelSpectrogram(rate, n_fft, hop_length=hop_length), AmplitudeToDB()
)

@E03 wrong default-rate
@mistake forgets the sampling rate, which is 16 kHz by default
@mentions 8000
return nn.Sequential(
    MelSpectrogram(n_fft=n_fft, hop_length=hop_length, n_mels=nmels),
    AmplitudeToDB(),
)

@E03 wrong positional-hop
@mistake passes the step as the third argument, which is win_length
return nn.Sequential(
    MelSpectrogram(rate, n_fft, hop_length, n_mels=nmels), AmplitudeToDB()
)

@E03 wrong amplitude
@mistake takes the power for an amplitude: 20 log10
@mentions 10 log10 of the power
mel = MelSpectrogram(rate, n_fft, hop_length=hop_length, n_mels=nmels)
return nn.Sequential(mel, AmplitudeToDB("magnitude"))

@E03 wrong power-of-one
@mistake computes magnitudes, then 10 log10
@mentions 10 log10 of the power
mel = MelSpectrogram(rate, n_fft, hop_length=hop_length, n_mels=nmels, power=1.0)
return nn.Sequential(mel, AmplitudeToDB())

@E03 wrong top-db
@mistake clips 80 dB below the loudest utterance of the batch
@mentions top_db
return nn.Sequential(
    MelSpectrogram(rate, n_fft=n_fft, hop_length=hop_length, n_mels=nmels),
    AmplitudeToDB(top_db=80),
)

@E03 wrong natural-log
@mistake takes the natural logarithm
@mentions 10 log10
class Log(nn.Module):
    def forward(self, x):
        return torch.log(x + 1e-10)


mel = MelSpectrogram(rate, n_fft=n_fft, hop_length=hop_length, n_mels=nmels)
return nn.Sequential(mel, Log())

@E03 wrong no-decibels
@mistake stops at the power
@mentions 10 log10
return nn.Sequential(
    MelSpectrogram(rate, n_fft=n_fft, hop_length=hop_length, n_mels=nmels)
)

@E03 right three-steps
from torchaudio.transforms import MelScale, Spectrogram

return nn.Sequential(
    Spectrogram(n_fft=n_fft, hop_length=hop_length),
    MelScale(nmels, rate, n_stft=n_fft // 2 + 1),
    AmplitudeToDB(),
)

@E03 right functional-decibels
import torchaudio.functional as TAF


class Decibels(nn.Module):
    def forward(self, power):
        return TAF.amplitude_to_DB(power, 10.0, 1e-10, 0.0)


mel = MelSpectrogram(rate, n_fft, hop_length=hop_length, n_mels=nmels)
return nn.Sequential(mel, Decibels())

@E03 right options-spelled-out
steps = nn.Sequential()
steps.add_module("mel", MelSpectrogram(
    sample_rate=rate, n_fft=n_fft, win_length=n_fft, hop_length=hop_length,
    f_min=0.0, f_max=rate / 2, n_mels=nmels, power=2.0,
))
steps.add_module("db", AmplitudeToDB(stype="power", top_db=None))
return steps


@E04 wrong enforce-sorted
@mistake lets pack_padded_sequence ask for an order: raises
@mentions enforce_sorted
lengths = torch.tensor([len(s) for s in sequences])
return pack_padded_sequence(pad_sequence(sequences), lengths)

@E04 wrong sorted-not-restored
@mistake sorts the sequences, and does not restore their order
@mentions its place
sequences = sorted(sequences, key=len, reverse=True)
return nn.utils.rnn.pack_sequence(sequences)

@E04 wrong padding-counted
@mistake takes the longest length for all
@mentions own lengths
padded = pad_sequence(sequences)
lengths = [padded.shape[0]] * len(sequences)
return pack_padded_sequence(padded, lengths, enforce_sorted=False)

@E04 wrong batch-first-once
@mistake pads with the batch first and packs with time first
padded = pad_sequence(sequences, batch_first=True)
lengths = torch.tensor([len(s) for s in sequences])
return pack_padded_sequence(padded, lengths, enforce_sorted=False)

@E04 wrong cut-to-the-shortest
@mistake cuts every sequence to the shortest
@mentions own lengths
shortest = min(len(s) for s in sequences)
return nn.utils.rnn.pack_sequence([s[:shortest] for s in sequences])

@E04 wrong only-padded
@mistake pads without packing
@mentions not a PackedSequence
return pad_sequence(sequences)

@E04 wrong buffer-of-floats
@mistake copies into a buffer of its own, and so turns indices into real numbers
@mentions torch.float32
n = [len(s) for s in sequences]
out = torch.zeros(max(n), len(n), *sequences[0].shape[1:])
for b, s in enumerate(sequences):
    out[: n[b], b] = s
return pack_padded_sequence(out, torch.tensor(n), enforce_sorted=False)

@E04 right pack-sequence
return nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)

@E04 right batch-first-twice
lengths = [s.size(0) for s in sequences]
padded = pad_sequence(sequences, batch_first=True)
return pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)

@E04 right sorted-and-restored
order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
packed = nn.utils.rnn.pack_sequence([sequences[i] for i in order])
sorted_indices = torch.tensor(order)
unsorted_indices = torch.argsort(sorted_indices)
return PackedSequence(
    packed.data, packed.batch_sizes, sorted_indices, unsorted_indices
)

@E04 right padded-by-hand
n = [len(s) for s in sequences]
out = sequences[0].new_zeros(max(n), len(n), *sequences[0].shape[1:])
for b, s in enumerate(sequences):
    out[: n[b], b] = s
return pack_padded_sequence(out, torch.as_tensor(n), enforce_sorted=False)


@E05 wrong not-finished
@mistake does not finish the log-mels: no normalisation, no masks
@mentions (log-mel - mean) / standard deviation
spectrograms = [u.log_mel for u in utterances]
transcripts = [torch.tensor(self.charmap.encode(u.sentence)) for u in utterances]
return pack_sequences(spectrograms), pack_sequences(transcripts)

@E05 wrong no-seed
@mistake does not pass the seed
spectrograms = [self.processor.finish(u.log_mel) for u in utterances]
transcripts = [torch.tensor(self.charmap.encode(u.sentence)) for u in utterances]
return pack_sequences(spectrograms), pack_sequences(transcripts)

@E05 wrong one-seed
@mistake gives all utterances the seed of the first
@mentions pass its seed to finish
seed = utterances[0].seed
spectrograms = [self.processor.finish(u.log_mel, seed) for u in utterances]
transcripts = [torch.tensor(self.charmap.encode(u.sentence)) for u in utterances]
return pack_sequences(spectrograms), pack_sequences(transcripts)

@E05 wrong place-as-seed
@mistake takes the place in the batch for the seed
@mentions seed
spectrograms, transcripts = [], []
for i, u in enumerate(utterances):
    spectrograms.append(self.processor.finish(u.log_mel, i))
    transcripts.append(torch.tensor(self.charmap.encode(u.sentence)))
return pack_sequences(spectrograms), pack_sequences(transcripts)

@E05 wrong no-markers
@mistake cuts the markers off
@mentions the indices of ¶
spectrograms = [self.processor.finish(u.log_mel, u.seed) for u in utterances]
transcripts = [
    torch.tensor(self.charmap.encode(u.sentence)[1:-1]) for u in utterances
]
return pack_sequences(spectrograms), pack_sequences(transcripts)

@E05 wrong float-transcripts
@mistake makes the indices real numbers
@mentions int64
spectrograms = [self.processor.finish(u.log_mel, u.seed) for u in utterances]
transcripts = [torch.Tensor(self.charmap.encode(u.sentence)) for u in utterances]
return pack_sequences(spectrograms), pack_sequences(transcripts)

@E05 wrong padded-first
@mistake pads before finishing: all get the length of the longest
padded = pad_sequence([u.log_mel for u in utterances], batch_first=True)
finished = [self.processor.finish(p, u.seed) for p, u in zip(padded, utterances)]
transcripts = [torch.tensor(self.charmap.encode(u.sentence)) for u in utterances]
return pack_sequences(finished), pack_sequences(transcripts)

@E05 wrong transcripts-first
@mistake returns the transcripts first
xs = [self.processor.finish(u.log_mel, u.seed) for u in utterances]
ys = [torch.tensor(self.charmap.encode(u.sentence)) for u in utterances]
return pack_sequences(ys), pack_sequences(xs)

@E05 right loop
xs, ys = [], []
for log_mel, sentence, seed, *_ in utterances:
    xs.append(self.processor.finish(log_mel, seed=seed))
    ys.append(torch.LongTensor(self.charmap.encode(sentence)))
return pack_sequences(xs), pack_sequences(ys)

@E05 right helper-and-zip
def one(u):
    encoded = self.charmap.encode(u.sentence)
    return self.processor.finish(u.log_mel, u.seed), torch.tensor(encoded).long()


xs, ys = zip(*map(one, utterances))
return (
    nn.utils.rnn.pack_sequence(xs, enforce_sorted=False),
    nn.utils.rnn.pack_sequence(ys, enforce_sorted=False),
)


@E06 wrong padding-left
@mistake leaves the padding in
@mentions no padding left
x, _ = pad_packed_sequence(minibatch[0])
y, _ = pad_packed_sequence(minibatch[1])
return [(x[:, b], y[:, b]) for b in range(x.shape[1])]

@E06 wrong axes-confused
@mistake takes the first axis for the batch
x, n_frames = pad_packed_sequence(minibatch[0])
y, n_chars = pad_packed_sequence(minibatch[1])
return [(x[b, : n_frames[b]], y[b, : n_chars[b]]) for b in range(len(n_frames))]

@E06 wrong one-length-for-both
@mistake cuts the transcripts at the lengths of the spectrograms
@mentions no padding left
x, lengths = pad_packed_sequence(minibatch[0])
y, _ = pad_packed_sequence(minibatch[1])
return [(x[:n, b], y[:n, b]) for b, n in enumerate(lengths)]

@E06 wrong two-lists
@mistake returns the spectrograms and the transcripts, not pairs
@mentions one pair for each utterance
x, n_frames = pad_packed_sequence(minibatch[0], batch_first=True)
y, n_chars = pad_packed_sequence(minibatch[1], batch_first=True)
return [s[:n] for s, n in zip(x, n_frames)], [t[:n] for t, n in zip(y, n_chars)]

@E06 wrong longest-first
@mistake returns the longest utterance first
x, n_frames = pad_packed_sequence(minibatch[0], batch_first=True)
y, n_chars = pad_packed_sequence(minibatch[1], batch_first=True)
order = torch.argsort(n_frames, descending=True)
return [(x[b, : n_frames[b]], y[b, : n_chars[b]]) for b in order]

@E06 wrong nothing-returned
@mistake forgets to return: raises
@mentions NoneType
x, n_frames = pad_packed_sequence(minibatch[0])
y, n_chars = pad_packed_sequence(minibatch[1])
pairs = [
    (x[:n, b], y[:u, b]) for b, (n, u) in enumerate(zip(n_frames, n_chars))
]

@E06 right unpack-sequence
from torch.nn.utils.rnn import unpack_sequence

spectrograms, transcripts = minibatch
return list(zip(unpack_sequence(spectrograms), unpack_sequence(transcripts)))

@E06 right batch-first-loop
def cut(packed):
    rows, lengths = pad_packed_sequence(packed, batch_first=True)
    return [row.narrow(0, 0, n) for row, n in zip(rows, lengths.tolist())]


result = []
for pair in zip(cut(minibatch[0]), cut(minibatch[1])):
    result.append(pair)
return result
"""
