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

  fillNetworks(networks) {
    const options = networks.map((one) => {
      const cer = one.dev_cer === null ? one.name : t("dev_cer", one.name, number(100 * one.dev_cer, 1));
      return new Option(one.part === "seq2seq" ? t("attends", cer) : cer, one.name);
    });
    byId("network").replaceChildren(...options);
    byId("network").value = this.network;
  }

  // Take what a network can do, and offer that.
  take(state) {
    this.state = state;
    const before = byId("decoder").value;
    const names = state.decoders.map((one) => one.name);
    byId("decoder").replaceChildren(...names.map((name) => new Option(name)));
    byId("decoder").value = names.includes(before) ? before : "beam";
    const lm = byId("lm").value;
    byId("lm").replaceChildren(new Option(t("none"), ""), ...state.lms.map((name) => new Option(name)));
    byId("lm").value = lm;
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
    const what = `d_${name}`;
    byId("what").textContent = `${name}${t("colon")} ${t(what) === what ? chosen.what : t(what)}`;
    byId("lm").disabled = !chosen.takes_lm;
    byId("lm_weight").disabled = byId("word_bonus").disabled = !chosen.takes_lm || !byId("lm").value;
    byId("beam").disabled = ["greedy", "verify"].includes(name);
    byId("ctc_weight").disabled = !["joint", "rescore"].includes(name);
    byId("par_threshold").disabled = name !== "par";
  }

  // How a clip is to be decoded; `shown` is the hypothesis to be given times.
  wish(id, shown) {
    const lm = byId("lm").disabled ? null : byId("lm").value || null;
    const asked = { id, network: this.network, decoder: byId("decoder").value, lm, shown };
    for (const name of RANGES) asked[name] = Number(byId(name).value);
    asked.hotwords = byId("hotwords").value;
    asked.reference = byId("reference").value || null;
    return asked;
  }
}

// What the text of a card depends on.
export function relevant(request) {
  const { id, network, reference, beam, hotwords, lm, lm_weight, word_bonus, ctc_weight, par_threshold } = request;
  const found = [id, network, reference, request.decoder];
  if (!["greedy", "verify"].includes(request.decoder)) found.push(beam, hotwords);
  if (lm) found.push(lm, lm_weight, word_bonus);
  if (["joint", "rescore"].includes(request.decoder)) found.push(ctc_weight);
  if (request.decoder === "par") found.push(par_threshold);
  return JSON.stringify(found);
}
