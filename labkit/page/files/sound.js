// Sound: recording, reading files, playing, writing WAV. Samples are mono, 16 kHz.

export const RATE = 16000;
const LONGEST = 30; // s of a recording

let context = null;

function speaker() {
  context = context || new AudioContext();
  context.resume();
  return context;
}

// Decode the bytes of an audio file to samples; throws if the browser cannot.
export async function decode(buffer) {
  const offline = new OfflineAudioContext(1, RATE, RATE);
  const read = await offline.decodeAudioData(buffer); // resampled to 16 kHz
  const mixed = new Float32Array(read.length);
  for (let c = 0; c < read.numberOfChannels; c++) {
    const channel = read.getChannelData(c);
    for (let i = 0; i < mixed.length; i++) mixed[i] += channel[i] / read.numberOfChannels;
  }
  return mixed;
}

export function fromIntegers(buffer) {
  const view = new DataView(buffer);
  return Float32Array.from({ length: buffer.byteLength / 2 }, (_, i) => view.getInt16(2 * i, true) / 32768);
}

// Browsers give a microphone to pages of this computer and of https alone.
export const canRecord = () => Boolean(navigator.mediaDevices && window.MediaRecorder);

export class Recorder {
  // onLevel(level, seconds) is called while it records; onEnd(samples) at its end.
  constructor(onLevel, onEnd) {
    this.onLevel = onLevel;
    this.onEnd = onEnd;
    this.recorder = null;
    this.asking = false; // the browser asks whether it may
  }

  get running() {
    return this.recorder !== null;
  }

  // Whether it has started: not while the browser asks for leave already.
  async start() {
    if (this.asking) return false;
    this.asking = true;
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } finally {
      this.asking = false;
    }
    const parts = [];
    const audio = speaker();
    const analyser = audio.createAnalyser();
    analyser.fftSize = 1024;
    const source = audio.createMediaStreamSource(stream);
    source.connect(analyser);
    const recorder = new MediaRecorder(stream);
    const started = performance.now();
    const values = new Float32Array(analyser.fftSize);
    const watch = setInterval(() => {
      analyser.getFloatTimeDomainData(values);
      const seconds = (performance.now() - started) / 1000;
      const mean = values.reduce((sum, x) => sum + x * x, 0) / values.length;
      const decibels = 10 * Math.log10(mean + 1e-10);
      this.onLevel(Math.min(1, Math.max(0, 1 + decibels / 60)), seconds);
      if (seconds >= LONGEST) this.stop();
    }, 60);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = async () => {
      clearInterval(watch);
      if (this.recorder === recorder) this.recorder = null; // it also ends by itself, when the microphone is unplugged
      source.disconnect();
      for (const track of stream.getTracks()) track.stop();
      this.onLevel(0, 0);
      const blob = new Blob(parts, { type: recorder.mimeType });
      this.onEnd(await blob.arrayBuffer());
    };
    recorder.start();
    this.recorder = recorder;
    return true;
  }

  stop() {
    if (this.recorder) this.recorder.stop();
    this.recorder = null;
  }
}

let playing = null;

export function stopPlaying() {
  if (playing) playing.stop();
  playing = null;
}

// Play from start to end, in seconds; onTime(seconds) follows, with null once it is stopped.
export function play(samples, start, end, onTime) {
  stopPlaying();
  const audio = speaker();
  const buffer = audio.createBuffer(1, samples.length, RATE);
  buffer.copyToChannel(samples, 0);
  const source = audio.createBufferSource();
  source.buffer = buffer;
  source.connect(audio.destination);
  const began = audio.currentTime;
  source.onended = () => {
    const stopped = playing !== source;
    if (!stopped) playing = null;
    onTime(stopped ? null : end);
  };
  source.start(0, start, Math.max(end - start, 0.05));
  playing = source;
  const tick = () => {
    if (playing !== source) return;
    onTime(Math.min(start + audio.currentTime - began, end));
    requestAnimationFrame(tick);
  };
  tick();
}

export const isPlaying = () => playing !== null;

export function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const put = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  put(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  put(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // integers
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  put(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, x)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}
