// The texts of the page, in English and in French.

const TEXTS = {
  title: ["From speech to text, step by step", "De la parole au texte, pas à pas"],
  skip: ["Go to the transcripts", "Aller aux transcriptions"],
  network: ["Network", "Réseau"],
  h_speak: ["1. Speak", "1. Parlez"],
  record: ["Record", "Enregistrer"],
  stop: ["Stop", "Arrêter"],
  level: ["Level", "Niveau"],
  file: ["A file (or drop one on the page):", "Un fichier (ou déposez-le sur la page) :"],
  corpus: ["Or a clip of the lab", "Ou un extrait du TP"],
  choose: ["choose…", "choisir…"],
  hint_speak: [
    "Say a short French sentence, at most 30 seconds. The sound stays on this computer.",
    "Dites une courte phrase en français, 30 secondes au plus. Le son reste sur cet ordinateur.",
  ],
  h_look: ["2. What the network sees and says", "2. Ce que le réseau voit et dit"],
  play: ["Play", "Écouter"],
  hint_look: [
    "From top to bottom: waveform, log-mel spectrogram, probability of each symbol at each frame (the blank apart), letters, words with their confidence in per cent. Click a word to hear it; the arrow keys move from frame to frame.",
    "De haut en bas : onde, spectrogramme log-mel, probabilité de chaque symbole à chaque trame (le blanc à part), lettres, mots avec leur confiance en pour cent. Cliquez sur un mot pour l'entendre ; les flèches vont de trame en trame.",
  ],
  as_table: ["Words and times as a table", "Mots et temps en tableau"],
  word: ["word", "mot"],
  start: ["start", "début"],
  end: ["end", "fin"],
  confidence: ["confidence", "confiance"],
  h_decode: ["3. Decode", "3. Décodez"],
  decoder: ["Decoder", "Décodeur"],
  beam: ["Beam width", "Largeur du faisceau"],
  lm: ["Language model", "Modèle de langue"],
  none: ["none", "aucun"],
  lm_weight: ["Weight of the language model", "Poids du modèle de langue"],
  word_bonus: ["Word bonus, in nats", "Bonus par mot, en nats"],
  ctc_weight: ["Weight of CTC beside attention", "Poids de CTC face à l'attention"],
  hotwords: ["Hot words, with commas between them", "Mots attendus, séparés par des virgules"],
  reference: ["What was said, to count errors", "Ce qui a été dit, pour compter les erreurs"],
  h_texts: ["4. Transcripts", "4. Transcriptions"],
  h_nbest: ["Hypotheses of the chosen decoder", "Hypothèses du décodeur choisi"],
  formula_plain: [
    "Scores are log probabilities, in nats: the higher, the better. Choose one to see its times.",
    "Les scores sont des log-probabilités, en nats : le plus haut est le meilleur. Choisissez-en une pour voir ses temps.",
  ],
  formula_lm: [
    "score = ctc + {0} × lm + bonuses, in nats. Choose one to see its times.",
    "score = ctc + {0} × lm + bonus, en nats. Choisissez-en une pour voir ses temps.",
  ],
  formula_both: [
    "score = {0} × ctc + {1} × attention + what a language model and bonuses add, in nats.",
    "score = {0} × ctc + {1} × attention + apports du modèle de langue et des bonus, en nats.",
  ],
  rank: ["rank", "rang"],
  text: ["text", "texte"],
  score: ["score", "score"],
  empty: ["(nothing)", "(rien)"],
  errors: ["CER {0} %, WER {1} %", "CER {0} %, WER {1} %"],
  took: ["{0} ms", "{0} ms"],
  calls: ["attention decoder called {0} ×", "décodeur à attention appelé {0} ×"],
  h_follow: ["5. Follow the beam", "5. Suivez le faisceau"],
  hint_follow: [
    "Frame by frame: prefixes grow by a symbol (+), the best ones stay, the others are pruned. Bars show their shares of the probability. At most 20 are shown.",
    "Trame par trame : des préfixes gagnent un symbole (+), les meilleurs restent, les autres sont élagués. Les barres montrent leur part de probabilité. On en montre 20 au plus.",
  ],
  follow: ["Follow", "Suivre"],
  before: ["Frame before", "Trame précédente"],
  after: ["Next frame", "Trame suivante"],
  frame: ["Frame", "Trame"],
  pruned: ["Pruned here: ", "Élagués ici : "],
  at_frame: ["Frame {0} of {1}, {2} s: {3}", "Trame {0} sur {1}, {2} s : {3}"],
  blank: ["blank", "blanc"],
  space: ["space", "espace"],
  beginning: ["start", "début"],
  ending: ["end", "fin"],
  unknown: ["unknown", "inconnu"],
  h_export: ["6. Keep it", "6. Gardez-le"],
  footer: [
    "Frames and posteriors are those of the network above; what decodes them are your scripts.",
    "Trames et probabilités viennent du réseau ci-dessus ; vos scripts les décodent.",
  ],
  dev_cer: ["{0}, dev CER {1} %", "{0}, CER dev {1} %"],
  attends: ["{0} (with attention)", "{0} (avec attention)"],
  loading: ["The network listens…", "Le réseau écoute…"],
  switching: ["Loading the network…", "Chargement du réseau…"],
  recording: ["Recording: speak now", "Enregistrement : parlez"],
  ready: ["Ready.", "Prêt."],
  heard: ["{0}: {1} s, {2} frames", "{0} : {1} s, {2} trames"],
  no_microphone: ["The microphone cannot be used", "Le microphone est inutilisable"],
  allow: ["allow it in the browser, or choose a file", "autorisez-le dans le navigateur, ou choisissez un fichier"],
  no_server: ["The program does not answer", "Le programme ne répond pas"],
  start_it: ["start it again: python demo.py", "relancez-le : python demo.py"],
  my_voice: ["recording", "enregistrement"],
  shorter: ["The clip is longer than {0} s", "L'extrait dure plus de {0} s"],
  cut_it: ["cut it", "coupez-le"],
  a_wave: ["Waveform, {0} s", "Onde, {0} s"],
  a_mel: ["Log-mel spectrogram, {0} frames, {1} bands", "Spectrogramme log-mel, {0} trames, {1} bandes"],
  a_posteriors: ["Probability of each symbol at {0} frames", "Probabilité de chaque symbole sur {0} trames"],
  a_letters: ["Letters under their times: {0}", "Lettres sous leurs temps : {0}"],
  a_attention: ["Attention: the frames it looks at for each symbol", "Attention : les trames regardées pour chaque symbole"],
  a_stage: ["Pictures over time; arrow keys move the cursor", "Images dans le temps ; les flèches déplacent le curseur"],
  a_word: ["{0}, {1} to {2} s, confidence {3} %", "{0}, de {1} à {2} s, confiance {3} %"],
  write_it: ["your script is not written so far", "votre script n'est pas encore écrit"],
};

let column = (navigator.language || "en").toLowerCase().startsWith("fr") ? 1 : 0;

export const language = () => ["en", "fr"][column];

export function t(key, ...values) {
  const text = TEXTS[key] ? TEXTS[key][column] : key;
  return text.replace(/\{(\d)\}/g, (_, n) => values[n]);
}

export function switchLanguage() {
  column = 1 - column;
}

export function translate() {
  document.documentElement.lang = language();
  document.title = t("title");
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
}

// A number as the language writes it.
export function number(value, digits) {
  return value.toLocaleString(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const NAMES = { "¬": "blank", " ": "space", "¶": "beginning", "¦": "ending", "❌": "unknown" };

// A symbol as a person calls it.
export const named = (symbol) => (NAMES[symbol] ? t(NAMES[symbol]) : `« ${symbol} »`);
export const short = (symbol) => ({ "¬": "∅", " ": "␣", "¶": "¶", "¦": "¦", "❌": "×" })[symbol] || symbol;
