"""What each figure shows, in words, for those who do not see it. No import at all."""

# The name of each figure, and its alternative text in English and in French.
ALTERNATIVES = {
    "log_mel": (
        "Three pictures of one clip under one another: its waveform, its spectrogram "
        "and its log-mel. Beside each, one frame of it: a window of 40 ms that moves "
        "by 10 ms, the 20 mel filters over the frequencies, and the 20 numbers that "
        "the network reads.",
        "Trois images d’un même extrait, l’une sous l’autre : son signal, son "
        "spectrogramme et son log-mel. À côté de chacune, une de ses trames : une "
        "fenêtre de 40 ms qui avance de 10 ms, les 20 filtres mel sur les fréquences, "
        "et les 20 nombres que lit le réseau.",
    ),
    "packed": (
        "Three utterances of 5, 9 and 2 frames. Padded, they are a table of 9 by 3 "
        "with zeros after the shorter ones, and the backward direction of a recurrent "
        "layer starts in these zeros. Packed, only their 16 frames are kept, frame by "
        "frame, with the number of utterances that have each frame.",
        "Trois énoncés de 5, 9 et 2 trames. Complétés, ils forment un tableau de 9 "
        "par 3, avec des zéros après les plus courts, et le sens retour d’une couche "
        "récurrente commence dans ces zéros. Empaquetés, il ne reste que leurs 16 "
        "trames, trame par trame, avec le nombre d’énoncés qui ont chaque trame.",
    ),
    "network": (
        "The tensors of the network from top to bottom with their shapes: the "
        "log-mel, two convolutions that each halve the number of frames, the rows of "
        "channels and bands, two bidirectional GRU layers, and the scores of the 44 "
        "symbols at each remaining frame.",
        "Les tenseurs du réseau de haut en bas avec leurs formes : le log-mel, deux "
        "convolutions qui divisent chacune par deux le nombre de trames, les lignes "
        "de canaux et de bandes, deux couches GRU bidirectionnelles, et les scores "
        "des 44 symboles à chaque trame restante.",
    ),
    "trellis": (
        "A trellis of 9 states (blank e blank l blank l blank e blank) by 6 frames. "
        "Arrows stay in a state, go to the next, or skip a blank between different "
        "letters; from the first l to the second no arrow skips the blank. Each node "
        "holds the sum of all paths that reach it; the last two add up to the "
        "probability of « elle ».",
        "Un treillis de 9 états (blanc e blanc l blanc l blanc e blanc) sur 6 trames. "
        "Les flèches restent dans un état, vont au suivant, ou sautent un blanc entre "
        "lettres différentes ; du premier l au second, aucune ne saute le blanc. "
        "Chaque nœud porte la somme de tous les chemins qui y mènent ; les deux "
        "derniers donnent ensemble la probabilité d’« elle ».",
    ),
    "spikes": (
        "The log-mel of a clip, and under it the probabilities of all symbols at each "
        "frame, of a network with a frame every 40 ms and of one with a frame every "
        "20 ms. Each letter is a spike of one or a few frames, at its place in the "
        "clip; a blank stands between the two l of « elle », and the marks of start "
        "and end take the silence.",
        "Le log-mel d’un extrait, et dessous les probabilités de tous les symboles à "
        "chaque trame, pour un réseau d’une trame toutes les 40 ms et un autre d’une "
        "trame toutes les 20 ms. Chaque lettre est un pic d’une ou quelques trames, à "
        "sa place dans l’extrait ; un blanc sépare les deux l d’« elle », et les "
        "marques de début et de fin prennent le silence.",
    ),
    "specaugment": (
        "A normalised log-mel three times: as it is, with a mask over a few bands and "
        "one over a few frames, and with more and wider masks. A mask holds the mean, "
        "zero.",
        "Un log-mel normalisé, trois fois : tel quel, avec un masque sur quelques "
        "bandes et un sur quelques trames, et avec des masques plus nombreux et plus "
        "larges. Un masque contient la moyenne, zéro.",
    ),
    "experiments": (
        "Loss and character error rate against the epoch in three experiments. On 16 "
        "clips both fall to nothing. On the training fold without regularisation the "
        "training curves fall to nothing and the dev curves stay above. With "
        "SpecAugment and dropout the training curves stay higher, and the dev loss "
        "ends lower.",
        "Perte et taux d’erreur par caractère selon l’époque, dans trois expériences. "
        "Sur 16 extraits, les deux tombent à rien. Sur tout l’entraînement sans "
        "régularisation, les courbes d’entraînement tombent à rien et celles de "
        "développement restent au-dessus. Avec SpecAugment et dropout, les courbes "
        "d’entraînement restent plus hautes, et la perte de développement finit plus "
        "bas.",
    ),
    "prefix_search": (
        "The beam of a prefix search over the symbols blank, e and l, after each of "
        "three frames. Each prefix has two sums: of its paths that end with a blank "
        "and of those that end with its last letter. « ll » grows only from the paths "
        "of « l » that end with a blank.",
        "Le faisceau d’une recherche par préfixes sur les symboles blanc, e et l, "
        "après chacune de trois trames. Chaque préfixe a deux sommes : de ses chemins "
        "finis par un blanc et de ceux finis par sa dernière lettre. « ll » ne vient "
        "que des chemins de « l » finis par un blanc.",
    ),
    "beam_and_weight": (
        "Character error rate of the dev fold. On the left against the beam width, on "
        "the right against the weight of the language model, for a model of "
        "characters, one of words, and none.",
        "Taux d’erreur par caractère du corpus de développement. À gauche selon la "
        "largeur du faisceau, à droite selon le poids du modèle de langue, pour un "
        "modèle de caractères, un de mots, et aucun.",
    ),
    "attention": (
        "Above, the dev character error rate of three networks with attention against "
        "the epoch. Below, where each attends while it writes the same sentence: "
        "trained alone from random weights, in one column; with CTC beside it, along a "
        "faint diagonal too; from a trained network of part one, along a clear one.",
        "En haut, le taux d’erreur par caractère de trois réseaux à attention, sur le "
        "corpus de développement, selon l’époque. En bas, où chacun regarde en "
        "écrivant la même phrase : seul et depuis des poids au hasard, dans une "
        "colonne ; avec CTC à côté, aussi le long d’une faible diagonale ; depuis un "
        "réseau de la première partie, le long d’une diagonale nette.",
    ),
    "segments": (
        "A bar for each symbol that CTC writes shows how sure CTC is of it. Symbols "
        "under the threshold are framed as segments; under each stands what the "
        "attention decoder writes instead, and in the last line what was said.",
        "Une barre par symbole écrit par CTC montre combien CTC en est sûr. Les "
        "symboles sous le seuil sont encadrés en segments ; sous chacun figure ce que "
        "le décodeur à attention écrit à la place, et sur la dernière ligne ce qui a "
        "été dit.",
    ),
}
