// The menus and sliders: which network, which decoder, and how it decodes.

import { make } from "./texts.js";
import { number, t } from "./words.js";

const byId = (id) => document.getElementById(id);
const RANGES = ["beam", "lm_weight", "word_bonus", "ctc_weight", "par_threshold"];
const CONTROLS = [...RANGES, "decoder", "lm", "hotwords", "reference"];
const COMPARED = [
  ["greedy", null], ["beam", null], ["beam", "char"],
  ["rescore", null], ["joint", null], ["attention", null], ["verify", null], ["par", null],
];

// What each decoder's answer depends on, as the options of `test` have it.
const LM = ["lm", "lm_weight", "word_bonus"];
const USES = {
  greedy: [],
  prefix: ["beam", ...LM],
  beam: ["beam", ...LM, "hotwords"],
  flashlight: ["beam", ...LM],
  attention: ["beam", ...LM, "hotwords"],
  joint: ["beam", ...LM, "hotwords", "ctc_weight"],
  rescore: ["beam", ...LM, "hotwords", "ctc_weight"],
  verify: [],
  par: ["beam", "par_threshold"],
};

// A wish without what its decoder does not look at.
export function fit(wish) {
  const { id, network, decoder, reference, shown } = wish;
  const found = { id, network, decoder, reference, shown };
  for (const name of USES[decoder]) found[name] = wish[name];
  if (!found.lm) for (const name of LM) delete found[name];
  if (decoder === "flashlight" && found.lm === "char") delete found.word_bonus; // it counts words with a lexicon only
  return found;
}

export class Controls {
  // onChange() is called when anything but the network is changed.
  constructor(onChange) {
    this.state = null; // what the network can do
    this.cards = []; // {decoder, lm, card, answer, key}
    for (const id of CONTROLS) {
      byId(id).addEventListener("input", () => {
        this.show();
        onChange();
      });
    }
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
  }

  get network() {
    return this.state.network.name;
  }

  fillNetworks() {
    const options = this.state.networks.map((one) => {
      const cer = one.dev_cer === null ? one.name : t("dev_cer", one.name, number(100 * one.dev_cer, 1));
      return new Option(one.part === "seq2seq" ? t("attends", cer) : cer, one.name);
    });
    byId("network").replaceChildren(...options);
    byId("network").value = this.network;
  }

  // Take what a network can do, and offer that.
  take(state) {
    this.state = state;
    this.fillNetworks();
    const before = byId("decoder").value;
    const names = state.decoders.map((one) => one.name);
    byId("decoder").replaceChildren(...names.map((name) => new Option(name)));
    byId("decoder").value = names.includes(before) ? before : "beam";
    byId("for_ctc").hidden = byId("for_par").hidden = !state.attention;
    this.cards = COMPARED.filter(([name]) => names.includes(name) && (state.attention || ["greedy", "beam"].includes(name)))
      .map(([decoder, of]) => ({ decoder, lm: of, card: make("article", "", "card"), answer: null, key: null }));
    byId("cards").replaceChildren(...this.cards.map((one) => one.card));
    this.show();
  }

  // Write the values beside the sliders; disable what has no effect.
  show() {
    for (const id of RANGES) {
      const text = number(Number(byId(id).value), id === "beam" ? 0 : 2);
      document.querySelector(`output[for="${id}"]`).textContent = text;
    }
    const name = byId("decoder").value;
    const chosen = this.state.decoders.find((one) => one.name === name);
    byId("what").textContent = `${name}${t("colon")} ${t(`d_${name}`)}`;
    this.offerModels(name);
    const used = fit(this.wish("", 0));
    for (const id of [...RANGES, "hotwords"]) byId(id).disabled = !(id in used);
    byId("lm").disabled = !chosen.takes_lm;
  }

  // Language models: that of words is for Flashlight alone.
  offerModels(decoder) {
    const before = byId("lm").value;
    const names = this.state.lms.filter((name) => name !== "word" || decoder === "flashlight");
    const there = [...byId("lm").options].slice(1).map((one) => one.value);
    if (!there.length || `${there}` !== `${names}`) byId("lm").replaceChildren(new Option("", ""), ...names.map((name) => new Option(name)));
    byId("lm").options[0].text = t("none");
    byId("lm").value = before === "word" && !names.includes("word") ? "char" : before;
  }

  // How a clip is to be decoded; `shown` is the hypothesis to be given times.
  wish(id, shown) {
    const asked = { id, network: this.network, decoder: byId("decoder").value, lm: byId("lm").value || null, shown };
    for (const name of RANGES) asked[name] = Number(byId(name).value);
    asked.hotwords = byId("hotwords").value;
    asked.reference = byId("reference").value || null;
    return asked;
  }
}

