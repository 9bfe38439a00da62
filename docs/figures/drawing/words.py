"""Every string of the figures, in English and in French. No import at all.

``{name}`` is a number or a text that the drawing fills in. ``alternatives.py`` holds
what each figure shows, for those who do not see it.
"""

LANGUAGES = ("en", "fr")

# Strings that several figures have.
COMMON = {
    "time": ("time (s)", "temps (s)"),
    "band": ("mel band", "bande mel"),
    "epoch": ("epoch", "époque"),
    "cer": ("CER (%)", "CER (%)"),
    "frame": ("frame {n}", "trame {n}"),
}

WORDS = {
    "log_mel": {
        "waveform": (
            "waveform of « {said} »: {n} samples, 16,000 a second",
            "signal de « {said} » : {n} échantillons, 16 000 par seconde",
        ),
        "amplitude": ("amplitude", "amplitude"),
        "windows": ("windows of the samples", "fenêtres sur les échantillons"),
        "window": ("window: 40 ms", "fenêtre : 40 ms"),
        "step": ("step: 10 ms", "pas : 10 ms"),
        "milliseconds": ("time (ms)", "temps (ms)"),
        "spectrogram": (
            "spectrogram: {frames} frames of {rows} frequencies",
            "spectrogramme : {frames} trames de {rows} fréquences",
        ),
        "kilohertz": ("frequency (kHz)", "fréquence (kHz)"),
        "power": ("power (dB)", "puissance (dB)"),
        "filters": ("{rows} mel filters", "{rows} filtres mel"),
        "weight": ("weight", "poids"),
        "log_mel": (
            "log-mel, what the network reads: {frames} frames of {rows} bands",
            "log-mel, ce que lit le réseau : {frames} trames de {rows} bandes",
        ),
        "one": ("the frame at the line", "la trame au trait"),
    },
    "packed": {
        "utterance": ("utterance {name}", "énoncé {name}"),
        "padded": (
            "padded: a tensor of {frames} × {utterances} frames; {cells} of its {all} "
            "are zeros (hatched)",
            "complété : un tenseur de {frames} × {utterances} trames ; {cells} des "
            "{all} sont des zéros (hachurés)",
        ),
        "backward": (
            "the backward direction reads\n{n} zeros before the last\nframe of {name}",
            "le sens retour lit {n} zéros\navant la dernière trame\nde {name}",
        ),
        "packed": (
            "packed: the {n} frames alone, frame by frame, the longest utterance first",
            "empaqueté : les {n} trames seules, trame par trame, le plus long d’abord",
        ),
        "at_once": (
            "here it reads the last frame of {name} at once",
            "ici, il lit d’emblée la dernière trame de {name}",
        ),
        "sizes": (
            "utterances that still\nhave this frame",
            "énoncés qui ont encore\ncette trame",
        ),
        "sorted": (
            "sorted_indices = [{order}];\nthe small number is\nthe row of data",
            "sorted_indices = [{order}] ;\nle petit nombre est\nla ligne de data",
        ),
        "data": (
            "one matrix of {n} rows: a linear layer is applied to it as it is",
            "une matrice de {n} lignes : une couche linéaire s’y applique telle quelle",
        ),
    },
    "network": {
        "title": (
            "the default network, for an utterance of 2 s: each cell is a frame",
            "le réseau par défaut, pour un énoncé de 2 s : chaque case est une trame",
        ),
        "letters": (
            "T frames, T′ frames after the convolutions, B utterances, M bands, "
            "C channels,\nH units, V symbols; M′ bands after the first convolution",
            "T trames, T′ trames après les convolutions, B énoncés, M bandes, "
            "C canaux,\nH unités, V symboles ; M′ bandes après la première convolution",
        ),
        "first": (
            "convolution 41 × 11, stride 2 × 2, to 32 channels;\n"
            "batch normalisation, Hardtanh(0, 20), dropout",
            "convolution 41 × 11, pas 2 × 2, vers 32 canaux ;\n"
            "normalisation par lot, Hardtanh(0, 20), dropout",
        ),
        "second": (
            "convolution 21 × 11, stride 2 × 1;\n"
            "batch normalisation, Hardtanh(0, 20), dropout",
            "convolution 21 × 11, pas 2 × 1 ;\n"
            "normalisation par lot, Hardtanh(0, 20), dropout",
        ),
        "rows": (
            "all channels and bands of a frame in one row; packed",
            "tous les canaux et bandes d’une trame sur une ligne ; empaqueté",
        ),
        "recurrent": (
            "2 bidirectional GRU layers of H = 128 units a direction",
            "2 couches GRU bidirectionnelles de H = 128 unités par sens",
        ),
        "linear": ("linear layer", "couche linéaire"),
        "weights": ("{n} parameters", "{n} paramètres"),
        "loss": (
            "softmax over the V symbols: probabilities, for the CTC loss and decoders",
            "softmax sur les V symboles : probabilités, pour la perte CTC et les "
            "décodeurs",
        ),
    },
    "trellis": {
        "title": (
            "« elle » in {frames} frames: {n} paths from the left to the two states "
            "at the lower right.\nEach node holds its forward sum; dots lie on no "
            "whole path: too early, or too late",
            "« elle » en {frames} trames : {n} chemins de la gauche aux deux états en "
            "bas à droite.\nChaque nœud porte sa somme avant ; les points ne sont sur "
            "aucun chemin entier : trop tôt, ou trop tard",
        ),
        "total": (
            "p(elle) = {a} + {b}\n= {sum}, the sum of all paths\n"
            "loss = −ln p = {loss} nats",
            "p(elle) = {a} + {b}\n= {sum}, somme des chemins\n"
            "perte = −ln p = {loss} nats",
        ),
        "first": (
            "first l, frame {n}:\n({a} + {b} + {c})\n× {p} = {sum}",
            "premier l, trame {n} :\n({a} + {b} + {c})\n× {p} = {sum}",
        ),
        "second": (
            "second l, frame {n}:\n{a} × {p} = {sum},\nfrom ¬ alone: from the\n"
            "first l it would be\nthe same l, longer",
            "second l, trame {n} :\n{a} × {p} = {sum},\ndepuis ¬ seul : depuis le\n"
            "premier l, ce serait\nle même l, plus long",
        ),
        "best": (
            "thick: the best path,\n{path}, p = {p}",
            "épais : le meilleur chemin,\n{path}, p = {p}",
        ),
    },
    "spikes": {
        "clip": ("log-mel of « {said} »", "log-mel de « {said} »"),
        "probability": ("probability", "probabilité"),
        "blank": ("blank ¬", "blanc ¬"),
        "between": ("between {letter} and {letter}", "entre {letter} et {letter}"),
        "stride4": (
            "stride 4: {frames} frames of {milliseconds} ms; the blank wins {share} % "
            "of them; dev CER {cer} %",
            "pas 4 : {frames} trames de {milliseconds} ms ; le blanc gagne {share} % "
            "d’entre elles ; CER dev {cer} %",
        ),
        "stride2": (
            "stride 2, trained on from stride 4: {frames} frames of {milliseconds} ms; "
            "the blank wins {share} %; dev CER {cer} %",
            "pas 2, réentraîné depuis le pas 4 : {frames} trames de {milliseconds} "
            "ms ; le blanc gagne {share} % ; CER dev {cer} %",
        ),
    },
    "specaugment": {
        "plain": ("the log-mel, normalised", "le log-mel, normalisé"),
        "weak": (
            "--train_augment: one mask of bands, one of frames (framed)",
            "--train_augment : un masque de bandes, un de trames (encadrés)",
        ),
        "strong": (
            "--train_augment strong: two masks of bands, and one of frames for each "
            "1.5 s, all wider",
            "--train_augment strong : deux masques de bandes, et un de trames par "
            "1,5 s, tous plus larges",
        ),
        "deviations": (
            "standard deviations; 0 is the mean, and the mask",
            "écarts types ; 0 est la moyenne, et le masque",
        ),
    },
    "experiments": {
        "minibatch": (
            "1. overfit 16 clips\n--debug",
            "1. surapprendre 16 extraits\n--debug",
        ),
        "overfit": (
            "2. overfit the training fold\n--dropout 0 --weight_decay 0",
            "2. surapprendre l’entraînement\n--dropout 0 --weight_decay 0",
        ),
        "generalise": (
            "3. generalise\n--train_augment, dropout 0.1",
            "3. généraliser\n--train_augment, dropout 0,1",
        ),
        "train": ("training fold", "entraînement"),
        "dev": ("dev fold", "développement"),
        "loss": ("CTC loss (nats an utterance)", "perte CTC (nats par énoncé)"),
        "end": ("at the end: {train} %", "à la fin : {train} %"),
        "both_ends": (
            "at the end: training {train} %, dev {dev} %",
            "à la fin : entr. {train} %, dév. {dev} %",
        ),
    },
    "prefix_search": {
        "title": (
            "prefix beam search: each prefix with the sum of its paths that end with "
            "a blank, and of those that end with its last symbol",
            "recherche par préfixes : chaque préfixe avec la somme de ses chemins "
            "finis par un blanc, et de ceux finis par son dernier symbole",
        ),
        "kept": (
            "K = {kept} are kept, pale ones are pruned; dashed: the prefix stays as "
            "it is; solid: one more symbol",
            "K = {kept} sont gardés, les pâles élagués ; tirets : le préfixe reste ; "
            "trait plein : un symbole de plus",
        ),
        "start": ("before", "avant"),
        "worked": (
            "« l » after frame 2:\n"
            "…¬  ({blank} + {own}) × {p_blank} = {with_blank}\n"
            "…l  {own} × {p_own}   repeated\n"
            "     + {empty} × {p_own}   new, after ∅\n"
            "     = {with_own}\n\n"
            "« ll » after frame 3:\n"
            "…l  {before} × {p_again} = {doubled},\n"
            "     only after a blank",
            "« l » après la trame 2 :\n"
            "…¬  ({blank} + {own}) × {p_blank} = {with_blank}\n"
            "…l  {own} × {p_own}   répété\n"
            "     + {empty} × {p_own}   nouveau, après ∅\n"
            "     = {with_own}\n\n"
            "« ll » après la trame 3 :\n"
            "…l  {before} × {p_again} = {doubled},\n"
            "     après un blanc seulement",
        ),
        "moral": (
            "Greedy: the best path, {path}, spells « {text} » with p = {p}.\n"
            "The search: « {best} » with p = {sum}, the sum of its paths in the beam.\n"
            "« ll » grows only from paths of « l » that end with a blank; the others "
            "stay « l ».",
            "Glouton : le meilleur chemin, {path}, donne « {text} » avec p = {p}.\n"
            "Recherche : « {best} » avec p = {sum}, la somme de ses chemins gardés.\n"
            "« ll » ne vient que des chemins de « l » finis par un blanc ; les autres "
            "restent « l ».",
        ),
    },
    "beam_and_weight": {
        "width": (
            "beam width K (logarithmic)",
            "largeur du faisceau K (logarithmique)",
        ),
        "weight": ("weight of the language model", "poids du modèle de langue"),
        "by_width": (
            "against the beam width (weight {weight})",
            "selon la largeur du faisceau (poids {weight})",
        ),
        "by_weight": (
            "against the weight (beam of {width}): too heavy, it\n"
            "overrules what was heard",
            "selon le poids (faisceau de {width}) : trop lourd, il\n"
            "l’emporte sur ce qui est entendu",
        ),
        "models": (
            "dev fold, {clips} clips",
            "développement, {clips} extraits",
        ),
        "none": ("no language model", "sans modèle de langue"),
        "char": ("characters (--lm char)", "caractères (--lm char)"),
        "word": ("words (Flashlight, --lm word)", "mots (Flashlight, --lm word)"),
    },
    "attention": {
        "title": (
            "dev CER of attention alone, decoding greedily; more than 100 %: it writes "
            "more than was said",
            "CER dev de l’attention seule, décodage glouton ; plus de 100 % : elle "
            "écrit plus qu’on n’a dit",
        ),
        "scratch_alone": (
            "from random weights, attention alone",
            "poids au hasard, attention seule",
        ),
        "scratch_both": (
            "from random weights, with CTC beside it",
            "poids au hasard, CTC à côté",
        ),
        "both": (
            "from a network of part one, with CTC",
            "depuis un réseau de la première partie, avec CTC",
        ),
        "failed": (
            "failed: one column,\nit guesses from the text",
            "échec : une colonne,\nelle devine d’après le texte",
        ),
        "thin": (
            "with CTC: a faint diagonal\nbeside the column",
            "avec CTC : une faible diagonale\nà côté de la colonne",
        ),
        "good": (
            "good: each symbol is\nfound where it is said",
            "bonne : chaque symbole est\ntrouvé là où il est dit",
        ),
        "written": (
            "symbol that is written (␣ space)",
            "symbole écrit (␣ espace)",
        ),
        "attention": ("attention weight", "poids d’attention"),
    },
    "segments": {
        "title": (
            "partially autoregressive decoding: what CTC is unsure of is decoded again",
            "décodage partiellement autorégressif : ce dont CTC doute est redécodé",
        ),
        "confidence": ("confidence of CTC", "confiance de CTC"),
        "threshold": ("threshold {value}", "seuil {value}"),
        "ctc": ("CTC", "CTC"),
        "again": ("attention", "attention"),
        "result": ("result", "résultat"),
        "said": ("said", "dit"),
    },
}
