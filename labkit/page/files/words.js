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
    "From top to bottom: waveform, log-mel spectrogram, probability of each symbol at each frame (the blank apart), letters, words with their confidence. Point at a frame to read it, drag to hear it, click a word to play it. Keys of the cursor: arrows, Page Up and Down, Home, End, space, plus and minus.",
    "De haut en bas : onde, spectrogramme log-mel, probabilité de chaque symbole à chaque trame (le blanc à part), lettres, mots avec leur confiance. Pointez une trame pour la lire, glissez pour l'entendre, cliquez sur un mot pour l'écouter. Touches du curseur : flèches, page précédente et suivante, début, fin, espace, plus et moins.",
  ],
  closer: ["Zoom in", "Agrandir"],
  wider: ["Zoom out", "Réduire"],
  whole: ["Whole clip", "Tout l'extrait"],
  at_time: ["{0} s, frame {1}: {2}", "{0} s, trame {1} : {2}"],
  words: ["Words", "Mots"],
  a_cursor: ["Time", "Temps"],
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
  par_threshold: ["Confidence that spares a second decoding (par)", "Confiance qui dispense d'un second décodage (par)"],
  h_texts: ["4. Transcripts", "4. Transcriptions"],
  h_nbest: ["Hypotheses of the chosen decoder", "Hypothèses du décodeur choisi"],
  formula_plain: [
    "Scores are log probabilities, in nats: the higher, the better. Choose one to see its times.",
    "Les scores sont des log-probabilités, en nats : le plus haut est le meilleur. Choisissez-en une pour voir ses temps.",
  ],
  formula_lm: [
    "score = ctc + {0} × lm + bonus, in nats. Choose one to see its times.",
    "score = ctc + {0} × lm + bonus, en nats. Choisissez-en une pour voir ses temps.",
  ],
  formula_attends: [
    "score = attention + {0} × lm + bonus, in nats. Choose one to see its times.",
    "score = attention + {0} × lm + bonus, en nats. Choisissez-en une pour voir ses temps.",
  ],
  formula_both: [
    "score = {0} × ctc + {1} × attention, in nats. Choose one to see its times.",
    "score = {0} × ctc + {1} × attention, en nats. Choisissez-en une pour voir ses temps.",
  ],
  formula_all: [
    "score = {0} × ctc + {1} × attention + {2} × lm + bonus, in nats. Choose one to see its times.",
    "score = {0} × ctc + {1} × attention + {2} × lm + bonus, en nats. Choisissez-en une pour voir ses temps.",
  ],
  bonus: ["bonus", "bonus"],
  again: ["decoded again: ", "décodé de nouveau : "],
  becomes: ["« {0} » → « {1} »", "« {0} » → « {1} »"],
  not_again: ["nothing is decoded again: CTC is sure of all", "rien n'est décodé de nouveau : CTC est sûr de tout"],
  no_errors: ["no error", "aucune erreur"],
  legend: ["What was said and is missing is struck out; what is wrong is underlined with a wave; what par decodes again has a box.", "Ce qui a été dit et manque est barré ; ce qui est faux est souligné d'une vague ; ce que par décode de nouveau est encadré."],
  rank: ["rank", "rang"],
  text: ["text", "texte"],
  score: ["score", "score"],
  empty: ["(nothing)", "(rien)"],
  errors: ["CER {0} %, WER {1} %", "CER {0} %, WER {1} %"],
  took: ["{0} ms", "{0} ms"],
  calls: ["attention decoder called {0} ×", "décodeur à attention appelé {0} ×"],
  h_follow: ["5. Follow the beam", "5. Suivez le faisceau"],
  hint_follow: [
    "Frame by frame: prefixes grow by a symbol (+) or get the paths of two prefixes (⇉), the best ones stay, the others are pruned. Bars show their shares of the probability. At most 20 are shown.",
    "Trame par trame : des préfixes gagnent un symbole (+) ou réunissent les chemins de deux préfixes (⇉), les meilleurs restent, les autres sont élagués. Les barres montrent leur part de probabilité. On en montre 20 au plus.",
  ],
  grown: ["grown", "allongé"],
  merged: ["paths of two prefixes merge", "les chemins de deux préfixes se réunissent"],
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
  decoding: ["Decoding…", "Décodage…"],
  no_microphone: ["The microphone cannot be used", "Le microphone est inutilisable"],
  no_devices: ["The browser gives no microphone to {0}: only to 127.0.0.1, localhost and https", "Le navigateur ne donne pas de microphone à {0} : seulement à 127.0.0.1, localhost et https"],
  not_allowed: ["The browser does not allow the microphone", "Le navigateur n'autorise pas le microphone"],
  not_found: ["There is no microphone", "Il n'y a pas de microphone"],
  use_file: ["allow it in the browser, or choose a file below", "autorisez-le dans le navigateur, ou choisissez un fichier ci-dessous"],
  is_empty: ["{0}: nothing is in it", "{0} : il n'y a rien dedans"],
  take_another: ["record again, or choose another file", "enregistrez de nouveau, ou choisissez un autre fichier"],
  too_large: ["{0}: larger than {1} MB", "{0} : plus de {1} Mo"],
  no_server: ["The program does not answer", "Le programme ne répond pas"],
  start_it: ["start it again: python demo.py", "relancez-le : python demo.py"],
  my_voice: ["recording", "enregistrement"],
  too_long: ["{0}: longer than {1} s", "{0} : plus de {1} s"],
  cut_it: ["cut it into pieces, for example with Audacity or ffmpeg", "coupez-le en morceaux, par exemple avec Audacity ou ffmpeg"],
  a_wave: ["Waveform, {0} s", "Onde, {0} s"],
  a_mel: ["Log-mel spectrogram, {0} frames, {1} bands", "Spectrogramme log-mel, {0} trames, {1} bandes"],
  a_posteriors: ["Probability of each symbol at {0} frames", "Probabilité de chaque symbole sur {0} trames"],
  a_letters: ["Letters under their times: {0}", "Lettres sous leurs temps : {0}"],
  a_attention: ["Attention: the frames it looks at for each symbol", "Attention : les trames regardées pour chaque symbole"],
  a_word: ["{0}, {1} to {2} s, confidence {3} %", "{0}, de {1} à {2} s, confiance {3} %"],
  colon: [":", " :"],
  d_greedy: ["the best symbol of each frame", "le meilleur symbole de chaque trame"],
  d_prefix: ["prefix beam search in plain Python, your exercises E23 to E25", "recherche en faisceau sur les préfixes en Python pur, vos exercices E23 à E25"],
  d_beam: ["the same search in tensors, fast", "la même recherche en tenseurs, rapide"],
  d_flashlight: ["that of Flashlight, with a lexicon for a word model", "celle de Flashlight, avec un lexique pour un modèle de mots"],
  d_attention: ["beam search of the attention decoder alone", "recherche en faisceau du seul décodeur à attention"],
  d_joint: ["one beam search, scored by CTC and by attention", "une recherche en faisceau, notée par CTC et par l'attention"],
  d_rescore: ["the n-best list of beam, ranked anew by attention in one call", "la liste de beam, reclassée par l'attention en un seul appel"],
  d_verify: ["greedy CTC, checked in one call; attention goes on where it disagrees", "CTC glouton, vérifié en un appel ; l'attention continue là où elle n'est pas d'accord"],
  d_par: ["partially autoregressive: only what CTC is unsure of is decoded again", "partiellement autorégressif : seul ce dont CTC n'est pas sûr est décodé de nouveau"],
};

let column = (navigator.language || "en").toLowerCase().startsWith("fr") ? 1 : 0;

export const language = () => ["en", "fr"][column];

export function t(key, ...values) {
  const text = TEXTS[key] ? TEXTS[key][column] : key;
  const filled = text.replace(/\{(\d)\}/g, (_, n) => values[n]);
  return filled.replace(/ ([:;?!%»])/g, "\u00a0$1").replaceAll("« ", "«\u00a0"); // no line breaks there
}

export function switchLanguage() {
  column = 1 - column;
}

export function translate() {
  document.documentElement.lang = language();
  document.title = t("title");
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", t(one.dataset.label));
    if (one.tagName === "BUTTON") one.title = t(one.dataset.label);
  }
}

// A number as the language writes it.
export function number(value, digits) {
  return value.toLocaleString(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const NAMES = { "¬": "blank", " ": "space", "¶": "beginning", "¦": "ending", "❌": "unknown" };

// A symbol as a person calls it.
export const named = (symbol) => (NAMES[symbol] ? t(NAMES[symbol]) : `« ${symbol} »`);
export const short = (symbol) => ({ "¬": "∅", " ": "␣", "¶": "¶", "¦": "¦", "❌": "×" })[symbol] || symbol;
