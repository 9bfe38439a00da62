// What the program says, in French. {0} stands for what differs from time to time.

import { language } from "./words.js";

const FRENCH = [
  // Causes.
  ["the request is not JSON", "la requête n'est pas du JSON"],
  ["the request is no JSON object", "la requête n'est pas un objet JSON"],
  ["{0}: a number from {1} to {2} is needed", "{0} : il faut un nombre de {1} à {2}"],
  ["{0}: a text of at most {1} characters is needed", "{0} : il faut un texte de {1} caractères au plus"],
  ["{0}: not one of {1}", "{0} : ne fait pas partie de {1}"],
  ["hotwords: at most {0}", "mots attendus : {0} au plus"],
  ["text: what attention reads is needed", "texte : il manque ce que l'attention doit lire"],
  ["number: that of a clip is needed", "numéro : il manque celui d'un extrait"],
  ["kind: f32, file or menu is needed", "genre : il faut f32, file ou menu"],
  ["{0}: it lasts {1} s", "{0} : durée de {1} s"],
  ["{0}: it lasts {1} ms", "{0} : durée de {1} ms"],
  ["{0}: it holds values that are no sound (NaN or infinite)", "{0} : contient des valeurs qui ne sont pas du son (NaN ou infini)"],
  ["{0}: {1} bytes are no samples", "{0} : {1} octets ne sont pas des échantillons"],
  ["there is no clip number {0}", "il n'y a pas d'extrait numéro {0}"],
  ["this clip is not kept any more", "cet extrait n'est plus en mémoire"],
  ["{0}: no such clip", "{0} : extrait introuvable"],
  ["{0}: the file is empty (0 bytes)", "{0} : le fichier est vide (0 octet)"],
  ["{0}: it holds no sound (0 s)", "{0} : ne contient aucun son (0 s)"],
  ["{0}: its sampling rate is said to be {1} Hz", "{0} : la fréquence d'échantillonnage annoncée est de {1} Hz"],
  ["{0}: not readable as audio: no frame of sound is in it", "{0} : illisible comme fichier audio : aucune trame de son"],
  ["{0}: not readable as audio: it is a web page", "{0} : illisible comme fichier audio : c'est une page web"],
  ["{0}: not readable as audio: it is a webm or mkv file", "{0} : illisible comme fichier audio : c'est un fichier webm ou mkv"],
  ["{0}: not readable as audio: it is an m4a or mp4 file", "{0} : illisible comme fichier audio : c'est un fichier m4a ou mp4"],
  ["{0}: not readable as audio: it is {1}", "{0} : illisible comme fichier audio : c'est {1}"],
  ["{0}: not readable as audio ({1})", "{0} : illisible comme fichier audio ({1})"],
  ["another decoding takes long", "un autre décodage est long"],
  ["beam {0} over {1} frames takes too long in plain Python", "un faisceau de {0} sur {1} trames prend trop de temps en Python pur"],
  ["a clip of {0} frames is too long to follow its beam", "un extrait de {0} trames est trop long pour suivre son faisceau"],
  ["{0}: bare weights, without their options", "{0} : des poids seuls, sans leurs options"],
  ["no trained network under {0}", "aucun réseau entraîné dans {0}"],
  ["--decoder {0} found nothing", "le décodeur {0} n'a rien trouvé"],
  ["{0} is not in this folder", "{0} n'est pas dans ce dossier"],
  ["exercise {0} is not written yet: {1} in {2}", "l'exercice {0} n'est pas encore écrit : {1}, dans {2}"],
  ["out of memory", "mémoire insuffisante"],
  ["the hot word {0} holds {1}", "le mot attendu {0} contient {1}"],
  ["the hot word {0} has no letter", "le mot attendu {0} n'a pas de lettre"],
  ["the hot word {0} has {1} characters, more than {2}", "le mot attendu {0} a {1} caractères, plus de {2}"],
  ["advance() returns {0}", "advance() renvoie {0}"],
  ["this search needs a language model of characters, not one of words", "cette recherche demande un modèle de langue de caractères, pas de mots"],
  ["the scores hold NaN or +inf", "les scores contiennent NaN ou +inf"],
  ["flashlight-text has no wheel for Python {0}", "flashlight-text n'existe pas pour Python {0}"],
  ["flashlight-text is not installed ({0})", "flashlight-text n'est pas installé ({0})"],
  ["flashlight-text does not load: {0}", "flashlight-text ne se charge pas : {0}"],
  ["Flashlight counts words, known and unknown, with a lexicon only", "Flashlight ne compte les mots qu'avec un lexique"],
  ["{0}: no such checkpoint", "{0} : réseau introuvable"],
  ["{0}: not a checkpoint, or a damaged one", "{0} : ce n'est pas un réseau enregistré, ou il est abîmé"],
  ["{0}: written by another version of the kit ({1})", "{0} : enregistré par une autre version du TP ({1})"],
  ["{0}: trained with another alphabet", "{0} : entraîné avec un autre alphabet"],
  ["another host is meant", "cette adresse n'est pas celle de la page"],
  ["another site asks", "un autre site fait cette demande"],
  ["its length is needed", "sa longueur est nécessaire"],
  ["more than {0} MB", "plus de {0} Mo"],
  ["it ends too soon", "elle s'arrête trop tôt"],
  ["there is nothing here", "il n'y a rien ici"],
  ["the clip is silent", "cet extrait est silencieux"],
  ["the clip is too quiet (peak {0} dB)", "cet extrait est trop faible (maximum {0} dB)"],
  // Remedies.
  ["load the page again", "rechargez la page"],
  ["open the page again", "ouvrez la page de nouveau"],
  ["give a clip of {0} to {1} s", "donnez un extrait de {0} à {1} s"],
  ["give a clip in mp3, wav, flac or ogg (ffmpeg {0} converts others)", "donnez un extrait en mp3, wav, flac ou ogg (ffmpeg {0} convertit les autres)"],
  ["record it again", "enregistrez de nouveau"],
  ["record it or choose it again", "enregistrez-le ou choisissez-le de nouveau"],
  ["choose {0} to {1}", "choisissez de {0} à {1}"],
  ["choose a beam of at most {0}, or the decoder beam", "choisissez un faisceau de {0} au plus, ou le décodeur beam"],
  ["choose a network of part one", "choisissez un réseau de la première partie"],
  ["take one of at most {0} frames", "prenez-en un de {0} trames au plus"],
  ["train again, or test it with {0}", "entraînez de nouveau, ou testez-le avec {0}"],
  ["train one ({0}), or pass --modelpath", "entraînez-en un ({0}), ou donnez --modelpath"],
  ["use weights and bonuses nearer to 0", "prenez des poids et des bonus plus près de 0"],
  ["use {0}, or a smaller network", "utilisez {0}, ou un réseau plus petit"],
  ["wait, then try again", "attendez, puis réessayez"],
  ["write a word or a short phrase with the letters of the alphabet", "écrivez un mot ou quelques mots avec les lettres de l'alphabet"],
  ["check it with: {0}", "vérifiez avec : {0}"],
  ["the network has diverged: train it with a lower --base_lr", "le réseau a divergé : entraînez-le avec un --base_lr plus petit"],
  ["use --decoder beam with --lm char or none: it needs no package", "prenez le décodeur beam, avec le modèle char ou sans : il ne demande aucun paquet"],
  ["use --decoder beam with --lm char or none: it needs no package; or Python 3.12 or older", "prenez le décodeur beam, avec le modèle char ou sans ; ou Python 3.12 ou plus ancien"],
  ["use --lm char; or --decoder flashlight, on Python 3.12 or older", "prenez le modèle char, ou le décodeur flashlight (Python 3.12 ou plus ancien)"],
  ["give a lexicon or a word model, or use --decoder beam", "donnez un lexique ou un modèle de mots, ou prenez le décodeur beam"],
  ["use the CharMap that it was trained with, or train again", "utilisez le CharMap de son entraînement, ou entraînez de nouveau"],
  ["download the clip first", "téléchargez d'abord l'extrait"],
  ["check the path", "vérifiez le chemin"],
  ["check the path, your rights on it and the room left on the disk", "vérifiez le chemin, vos droits et la place sur le disque"],
  ["the terminal shows the whole traceback", "le terminal montre la trace complète"],
  ["leave --port out: a free one is used", "enlevez --port : un port libre est pris"],
  ["write it, then check it with: {0} (a hint: {1})", "écrivez-le, puis vérifiez-le avec : {0} (un indice : {1})"],
];

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const PATTERNS = FRENCH.map(([english, french]) => {
  const parts = english.split(/\{\d\}/).map((part) => escaped(part).replace(/ +/g, "\\s+"));
  return [new RegExp(`^${parts.join("([^]+?)")}$`), french];
});

// A message of the program in the language of the page; English where it is not known.
export function translated(message) {
  if (language() === "en") return message;
  for (const [pattern, french] of PATTERNS) {
    const found = pattern.exec(message);
    if (found) return french.replace(/\{(\d)\}/g, (_, n) => found[Number(n) + 1]);
  }
  return message;
}
