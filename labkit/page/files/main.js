// The page: what happens when something is pressed, moved, dropped or chosen.

import { get, post, send, Trouble } from "./api.js";
import { Controls, fit } from "./controls.js";
import { Follower } from "./follow.js";
import { keep } from "./keep.js";
import { translated } from "./messages.js";
import { Pictures } from "./pictures.js";
import * as sound from "./sound.js";
import { Stage } from "./stage.js";
import { fillCard, fillHeard, fillNbest, fillTimes, waitingCard } from "./texts.js";
import { language, number, switchLanguage, t, translate } from "./words.js";

const byId = (id) => document.getElementById(id);

const pictures = new Pictures();
const stage = new Stage(pictures);
const controls = new Controls(changed);
const follower = new Follower((frame) => stage.goTo((frame + 0.5) * pictures.clip.frame_seconds));
let shown = 0; // the hypothesis that is drawn
let waiting = new AbortController(); // to stop a decoding that nobody waits for any more

// What the page does, or has done. Long work shows how long it has taken so far.

let clock = 0;
function say(key, ...values) {
  clearInterval(clock);
  byId("elapsed").textContent = "";
  byId("status").textContent = t(key, ...values);
}

function sayBusy(key) {
  say(key);
  const start = performance.now();
  clock = setInterval(() => {
    const seconds = (performance.now() - start) / 1000;
    if (seconds > 0.5) byId("elapsed").textContent = `${number(seconds, 1)} s`;
  }, 100);
}

function sayReady() {
  const { clip } = pictures;
  if (!clip) return say("ready");
  return say("heard", clip.name, number(clip.seconds, 1), clip.posteriors.rows);
}

function complain(error) {
  byId("error").hidden = !error;
  if (!error) return;
  byId("cause").textContent = translated(error.message);
  byId("remedy").textContent = translated(error.remedy || "");
  byId("error").scrollIntoView({ block: "nearest" });
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
    sayReady();
    return undefined;
  }
}

async function load() {
  const state = await get("/api/state");
  controls.take(state);
  byId("clips").append(...state.clips.map((text, number) => new Option(text, number)));
  sayReady();
}

// Clips.

let nHeard = 0;
async function hear(query, content, samples) {
  const turn = ++nHeard;
  sayBusy("loading");
  sound.stopPlaying();
  const network = encodeURIComponent(controls.network);
  const clip = await (await send(`/api/clip?${query}&network=${network}`, content)).json();
  const wave = samples || sound.fromIntegers(await post("/api/sound", { id: clip.id }));
  if (turn !== nHeard) return; // another clip has been chosen meanwhile
  byId("results").hidden = false;
  byId("reference").value = clip.reference || "";
  pictures.show(clip, wave);
  pictures.time = 0;
  pictures.scale = 1;
  renew();
  stage.zoom(1);
  await decode();
}

function renew() {
  shown = 0;
  for (const one of controls.cards) one.key = one.answer = null;
  follower.forget();
  byId("warning").hidden = !pictures.clip.warning;
  byId("warning").textContent = pictures.clip.warning ? translated(pictures.clip.warning) : "";
  pictures.draw();
  stage.readOut();
}

async function hearBytes(buffer, name, recorded = false) {
  byId("clips").value = "";
  const { most_bytes: most, most_seconds: longest } = controls.state;
  if (!buffer.byteLength) throw new Trouble(t("is_empty", name), t("take_another"));
  if (buffer.byteLength > most) throw new Trouble(t("too_large", name, most / 2 ** 20), t("cut_it"));
  const query = `name=${encodeURIComponent(name)}`;
  let samples = null;
  try {
    samples = await sound.decode(buffer.slice(0));
  } catch {
    // The browser cannot read it; perhaps the program can.
  }
  if (samples === null && recorded) throw new Trouble(t("is_empty", name), t("take_another"));
  if (samples === null) return hear(`kind=file&${query}`, buffer, null);
  if (samples.length > longest * sound.RATE) throw new Trouble(t("too_long", name, longest), t("cut_it"));
  return hear(`kind=f32&${query}`, samples.buffer, samples);
}

const hearFile = (file) => attempt(async () => hearBytes(await file.arrayBuffer(), file.name));

const recorder = new sound.Recorder(
  (level, seconds) => {
    byId("level").value = level;
    byId("clock").textContent = `${number(seconds, 1)} s`;
  },
  (buffer) => {
    showRecording(false);
    attempt(() => hearBytes(buffer, t("my_voice"), true));
  },
);

function showRecording(on) {
  byId("record").setAttribute("aria-pressed", String(on));
  byId("record").textContent = t(on ? "stop" : "record");
  if (on) say("recording");
}

async function record() {
  if (recorder.running) return recorder.stop();
  if (!sound.canRecord()) throw new Trouble(t("no_devices", location.origin), t("use_file"));
  sound.stopPlaying();
  let started;
  try {
    started = await recorder.start();
  } catch (error) {
    const why = { NotAllowedError: "not_allowed", NotFoundError: "not_found" }[error.name];
    throw new Trouble(why ? t(why) : `${t("no_microphone")} (${error.message})`, t("use_file"));
  }
  if (started) showRecording(true);
  return undefined;
}

// Decoding.

const wish = () => controls.wish(pictures.clip.id, shown);

async function decode() {
  if (!pictures.clip) return undefined;
  waiting.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  const asked = wish();
  sayBusy("decoding");
  for (const one of controls.cards) {
    const { key, title } = askFor(one, asked);
    if (one.key !== key) waitingCard(one.card, title);
  }
  let found = null;
  try {
    found = await post("/api/decode", fit(asked), signal);
  } catch (error) {
    if (!(error instanceof Trouble) || error.lost) throw error;
    complain(error); // such as an exercise that is not written: the others are
    sayReady();
    return compare(asked, null, signal);
  }
  complain(null);
  sayReady();
  fillHeard(found);
  fillNbest(found, fit(asked), (rank) => {
    shown = rank;
    attempt(decode);
  });
  fillTimes(found.shown.words);
  pictures.write(found.shown, stage.playWord);
  await attend(found, signal);
  return compare(asked, found, signal);
}

// What a card asks for, and its key: an answer to the same request is kept.
function askFor(card, asked) {
  const request = fit({ ...asked, decoder: card.decoder, lm: card.lm, shown: 0 });
  return { request, key: JSON.stringify(request), title: card.lm ? `${card.decoder} + ${card.lm}` : card.decoder };
}

// Fill the cards whose settings have changed, once nothing changes any more.
async function compare(asked, found, signal) {
  await new Promise((done) => setTimeout(done, 150));
  for (const one of controls.cards) {
    if (signal.aborted) return;
    const { request, key, title } = askFor(one, asked);
    const chosen = JSON.stringify(fit({ ...asked, shown: 0 })) === key;
    if (chosen && found && found.chosen === 0) [one.key, one.answer] = [key, found];
    if (one.key !== key) {
      try {
        one.answer = await post("/api/decode", request, signal);
      } catch (error) {
        if (error.name === "AbortError") throw error;
        one.answer = { error };
      }
      one.key = key;
    }
    fillCard(one.card, title, one.answer, chosen);
  }
}

async function attend(found, signal) {
  if (!controls.state.attention || !found.shown.text) return pictures.attend(null);
  const asked = { id: pictures.clip.id, network: controls.network, text: found.shown.text };
  return pictures.attend(await post("/api/attention", asked, signal));
}

let pause = 0;
function changed() {
  shown = 0;
  follower.forget();
  clearTimeout(pause);
  pause = setTimeout(() => attempt(decode), 10);
}

async function chooseNetwork(name) {
  sayBusy("switching");
  try {
    controls.take(await post("/api/model", { name }));
  } finally {
    controls.fillNetworks();
  }
  if (!pictures.clip) return sayReady();
  const { id } = pictures.clip;
  pictures.show(await post("/api/look", { id, network: controls.network }), pictures.samples);
  renew();
  return decode();
}

function speakLanguage() {
  translate();
  byId("language").textContent = language() === "en" ? "Français" : "English";
  byId("language").lang = language() === "en" ? "fr" : "en";
  showRecording(recorder.running);
  if (!recorder.running) byId("clock").textContent = `${number(0, 1)} s`;
}

async function changeLanguage() {
  switchLanguage();
  speakLanguage();
  controls.take(controls.state);
  sayReady();
  if (!pictures.clip) return;
  pictures.draw();
  stage.readOut();
  follower.show(follower.now);
  await decode();
}

function listen() {
  byId("record").addEventListener("click", () => attempt(record));
  byId("file").addEventListener("change", (event) => event.target.files[0] && hearFile(event.target.files[0]));
  byId("file").addEventListener("click", (event) => (event.target.value = "")); // the same file may be chosen again
  byId("clips").addEventListener("change", (event) => {
    const chosen = event.target.value;
    if (chosen) attempt(() => hear(`kind=menu&number=${chosen}`, "", null));
  });
  byId("network").addEventListener("change", (event) => attempt(() => chooseNetwork(event.target.value)));
  byId("language").addEventListener("click", () => attempt(changeLanguage));
  byId("follow").addEventListener("click", () => attempt(() => follower.load(fit({ ...wish(), decoder: "beam" }), pictures)));
  byId("exports").addEventListener("click", (event) => {
    const { kind } = event.target.dataset;
    if (kind) attempt(() => keep(kind, pictures, fit(wish())));
  });
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
