// The page: what happens when something is pressed, moved, dropped or chosen.

import { get, post, send, Trouble } from "./api.js";
import { Follower } from "./follow.js";
import { keep } from "./keep.js";
import { Pictures } from "./pictures.js";
import * as sound from "./sound.js";
import { fillCard, fillNbest, fillTimes, make } from "./texts.js";
import { language, named, number, switchLanguage, t, translate } from "./words.js";

const byId = (id) => document.getElementById(id);
const RANGES = ["beam", "lm_weight", "word_bonus", "ctc_weight"];
const CONTROLS = [...RANGES, "decoder", "lm", "hotwords", "reference"];

const pictures = new Pictures();
const follower = new Follower((frame) => {
  pictures.move((frame + 0.5) * pictures.clip.frame_seconds);
  readOut();
});
let state = null; // what the program can do
let answer = null; // of the chosen decoder
let shown = 0; // the hypothesis that is drawn
let cards = []; // {decoder, lm, card, answer, key}
let waiting = null; // to stop a decoding that nobody waits for any more

function say(key, ...values) {
  byId("status").textContent = t(key, ...values);
}

function complain(error) {
  byId("error").hidden = !error;
  byId("cause").textContent = error ? error.message : "";
  byId("remedy").textContent = (error && error.remedy) || "";
}

// Run something that may fail, and show why.
async function attempt(action) {
  complain(null);
  try {
    return await action();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    complain(error);
    if (!(error instanceof Trouble)) console.error(error);
    say("ready");
    return undefined;
  }
}

// The network and its decoders.

function fillNetworks(found) {
  const options = found.networks.map((one) => {
    const cer = one.dev_cer === null ? one.name : t("dev_cer", one.name, number(100 * one.dev_cer, 1));
    return new Option(one.part === "seq2seq" ? t("attends", cer) : cer, one.name);
  });
  byId("network").replaceChildren(...options);
  byId("network").value = found.current.name;
}

function fillDecoders() {
  const before = byId("decoder").value;
  const names = state.decoders.map((one) => one.name);
  byId("decoder").replaceChildren(...names.map((name) => new Option(name)));
  byId("decoder").value = names.includes(before) ? before : "beam";
  const lm = byId("lm").value;
  byId("lm").replaceChildren(new Option(t("none"), ""), ...state.lms.map((name) => new Option(name)));
  byId("lm").value = lm;
  byId("for_ctc").hidden = !state.attention;
  makeCards();
}

function makeCards() {
  const pairs = [["greedy", null], ["beam", null], ["beam", "char"]];
  if (state.attention) pairs.push(["rescore", null], ["joint", null], ["attention", null], ["verify", null], ["par", null]);
  const known = state.decoders.map((one) => one.name);
  cards = pairs.filter(([name]) => known.includes(name)).map(([decoder, lm]) => ({ decoder, lm, card: make("article", "", "card") }));
  byId("cards").replaceChildren(...cards.map((one) => one.card));
}

async function load() {
  [state] = [await get("/api/state")];
  fillNetworks(await get("/api/models"));
  const { clips } = await get("/api/clips");
  byId("clips").append(...clips.map((one) => new Option(one.text, one.number)));
  fillDecoders();
  showControls();
  say("ready");
}

// Clips.

async function hear(request, samples) {
  say("loading");
  sound.stopPlaying();
  const clip = await (await request).json();
  const wave = samples || sound.fromIntegers(await post("/api/sound", { id: clip.id }));
  byId("results").hidden = false;
  byId("reference").value = clip.reference || "";
  pictures.show(clip, wave);
  pictures.time = 0;
  renew();
  say("heard", clip.name, number(clip.seconds, 1), clip.posteriors.rows);
  await decode();
}

function renew() {
  answer = null;
  shown = 0;
  for (const one of cards) one.key = one.answer = null;
  follower.forget();
  pictures.draw();
  readOut();
}

async function hearBytes(buffer, name) {
  const query = `name=${encodeURIComponent(name)}`;
  let samples = null;
  try {
    samples = await sound.decode(buffer.slice(0));
  } catch {
    // The browser cannot read it; perhaps the program can.
  }
  if (samples === null) return hear(send(`/api/clip?kind=file&${query}`, buffer), null);
  if (samples.length > state.most_seconds * sound.RATE) {
    throw new Trouble(t("shorter", state.most_seconds), t("cut_it"));
  }
  return hear(send(`/api/clip?kind=f32&${query}`, samples.buffer), samples);
}

const hearFile = (file) => attempt(async () => hearBytes(await file.arrayBuffer(), file.name));

const recorder = new sound.Recorder(
  (level, seconds) => {
    byId("level").value = level;
    byId("clock").textContent = `${number(seconds, 1)} s`;
  },
  (buffer) => {
    showRecording(false);
    attempt(() => hearBytes(buffer, t("my_voice")));
  },
);

function showRecording(on) {
  byId("record").setAttribute("aria-pressed", String(on));
  byId("record").textContent = t(on ? "stop" : "record");
  if (on) say("recording");
}

async function record() {
  if (recorder.running) return recorder.stop();
  try {
    await recorder.start();
  } catch (error) {
    throw new Trouble(`${t("no_microphone")} (${error.message})`, t("allow"));
  }
  return showRecording(true);
}

// Decoding.

function wish() {
  const asked = { id: pictures.clip.id, decoder: byId("decoder").value, lm: byId("lm").value || null, shown };
  for (const id of RANGES) asked[id] = Number(byId(id).value);
  asked.hotwords = byId("hotwords").value;
  asked.reference = byId("reference").value || null;
  return asked;
}

function showControls() {
  for (const id of RANGES) {
    const digits = id === "beam" ? 0 : 2;
    document.querySelector(`output[for="${id}"]`).textContent = number(Number(byId(id).value), digits);
  }
  const chosen = state.decoders.find((one) => one.name === byId("decoder").value);
  byId("lm").disabled = !chosen.takes_lm;
  byId("what").textContent = `${chosen.name}: ${chosen.what.replaceAll("`", "")}`;
  byId("lm_weight").disabled = byId("word_bonus").disabled = byId("lm").disabled || !byId("lm").value;
}

async function decode() {
  if (!pictures.clip) return;
  if (waiting) waiting.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  const asked = wish();
  if (byId("lm").disabled) asked.lm = null;
  const found = await post("/api/decode", asked, signal);
  if (signal.aborted) return;
  answer = found;
  complain(null);
  fillNbest(found, asked, (rank) => {
    shown = rank;
    attempt(decode);
  });
  fillTimes(found.shown.words);
  pictures.write(found.shown, playWord);
  await attend(found, signal);
  await compare(asked, signal);
}

// What the text of a card depends on, apart from the network.
function relevant(request) {
  const { id, reference, beam, hotwords, lm, lm_weight, word_bonus, ctc_weight } = request;
  const found = [id, reference];
  if (!["greedy", "verify"].includes(request.decoder)) found.push(beam, hotwords);
  if (lm) found.push(lm, lm_weight, word_bonus);
  if (["joint", "rescore"].includes(request.decoder)) found.push(ctc_weight);
  return JSON.stringify(found);
}

// Fill the cards whose settings have changed, once nothing changes any more.
async function compare(asked, signal) {
  await new Promise((done) => setTimeout(done, 150));
  for (const one of cards) {
    if (signal.aborted) return;
    const lm = one.lm && (asked.lm || one.lm);
    const request = { ...asked, decoder: one.decoder, lm, shown: 0 };
    const key = relevant(request);
    if (one.key !== key) {
      try {
        one.answer = await post("/api/decode", request, signal);
      } catch (error) {
        if (error.name === "AbortError") throw error;
        one.answer = { error };
      }
      if (signal.aborted) return;
      one.key = key;
    }
    const chosen = one.decoder === asked.decoder && lm === asked.lm;
    fillCard(one.card, lm ? `${one.decoder} + ${lm}` : one.decoder, one.answer, chosen);
  }
}

async function attend(found, signal) {
  if (!state.attention || !found.shown.text) return pictures.attend(null);
  const looked = await post("/api/attention", { id: pictures.clip.id, text: found.shown.text }, signal);
  return signal.aborted ? undefined : pictures.attend(looked);
}

let pause = 0;
function changed() {
  showControls();
  shown = 0;
  follower.forget();
  clearTimeout(pause);
  pause = setTimeout(() => attempt(decode), 40);
}

// Time.

function readOut(symbol = null) {
  const frame = pictures.frame;
  const time = `${number(pictures.time, 2)} s · ${frame + 1}`;
  byId("readout").textContent = symbol === null
    ? `${time} · ${pictures.best(frame, 3)}`
    : `${time} · ${named(pictures.clip.symbols[symbol])} ${number(pictures.probability(frame, symbol), 3)}`;
}

function onTime(seconds) {
  if (seconds !== null) pictures.move(seconds, true);
  byId("play").textContent = t(sound.isPlaying() ? "stop" : "play");
  readOut();
}

const playWord = (word) => sound.play(pictures.samples, word.start, word.end, onTime);

function playAll() {
  if (sound.isPlaying()) return sound.stopPlaying();
  const from = pictures.time < pictures.clip.seconds - 0.05 ? pictures.time : 0;
  return sound.play(pictures.samples, from, pictures.clip.seconds, onTime);
}

function goTo(seconds, symbol = null) {
  pictures.move(seconds);
  readOut(symbol);
}

function speakLanguage() {
  translate();
  byId("language").textContent = language() === "en" ? "Français" : "English";
  byId("language").lang = language() === "en" ? "fr" : "en";
  showRecording(recorder.running);
}

function listen() {
  byId("record").addEventListener("click", () => attempt(record));
  byId("file").addEventListener("change", (event) => event.target.files[0] && hearFile(event.target.files[0]));
  byId("clips").addEventListener("change", (event) => {
    const chosen = event.target.value;
    if (chosen) attempt(() => hear(send(`/api/clip?kind=corpus&number=${chosen}`, ""), null));
  });
  for (const id of CONTROLS) byId(id).addEventListener("input", changed);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("network").addEventListener("change", (event) => attempt(async () => {
    say("switching");
    try {
      state = await post("/api/model", { name: event.target.value });
    } finally {
      fillNetworks(await get("/api/models"));
    }
    fillDecoders();
    showControls();
    if (pictures.clip) {
      pictures.show(await post("/api/look", { id: pictures.clip.id }), pictures.samples);
      renew();
      await decode();
    }
    say("ready");
  }));
  byId("language").addEventListener("click", () => attempt(async () => {
    switchLanguage();
    speakLanguage();
    fillNetworks(await get("/api/models"));
    fillDecoders();
    showControls();
    if (!pictures.clip) return;
    pictures.draw();
    readOut();
    follower.show(follower.now);
    await decode();
  }));
  byId("play").addEventListener("click", playAll);
  byId("stage").addEventListener("pointermove", (event) => {
    if (pictures.clip && !sound.isPlaying()) goTo(pictures.timeAt(event), pictures.symbolAt(event));
  });
  byId("scroll").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.target !== event.currentTarget || (!step && event.key !== " ")) return;
    event.preventDefault();
    if (step) goTo((pictures.frame + step + 0.5) * pictures.clip.frame_seconds);
    else playAll();
  });
  byId("follow").addEventListener("click", () => attempt(() => follower.load(wish(), pictures)));
  byId("exports").addEventListener("click", (event) => event.target.dataset.kind && attempt(() => keep(event.target.dataset.kind, pictures, wish())));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dragging", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) hearFile(event.dataTransfer.files[0]);
    });
  }
  window.addEventListener("resize", () => pictures.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => pictures.draw());
}

speakLanguage();
listen();
attempt(load);
