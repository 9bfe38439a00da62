"""What a search adds to the scores: language models and hot words, as automata."""
