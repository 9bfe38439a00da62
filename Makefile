# Windows and macOS without make: the plain commands stand in README.md.

PYTHON ?= python3
PYTHONS ?= python3.9 python3.13
VENV ?= .venv
BIN := $(VENV)/bin
REFERENCE := LabsSolutions/02-pytorch-asr
DEMO_CLIP := mini_fr_00987.mp3
DEMO_TEST = $(BIN)/python $(REFERENCE)/main_ctc.py test --audiofile corpora/mini/fr/clips/$(DEMO_CLIP) --lm char --beamwidth 100 --nbest 3
DEMO_SAID = awk -F'\t' '$$2 == "$(DEMO_CLIP)" {print "what was said: " $$4}' corpora/mini/fr/test.tsv
DEMO_TRAIN = --scheduler --nhidden_rnn 256 --dropout 0.2 --num_epochs 14

.DEFAULT_GOAL := help
.PHONY: help demo demo2 test test-all other-pythons check format starter figures handout handout-text texts gradescope classroom benchmarks clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

$(VENV)/.installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

demo: $(VENV)/.installed ## transcribe a clip; train the reference for some minutes, transcribe it again
	@echo "1. The network of the kit learnt from human speech; here it hears a synthesiser."
	$(DEMO_TEST) --modelpath pretrained/fr.pt
	@$(DEMO_SAID)
	@echo "2. The reference learns that voice, from 900 other clips."
	$(BIN)/python $(REFERENCE)/main_ctc.py train $(DEMO_TRAIN) --logname demo
	$(DEMO_TEST)
	@$(DEMO_SAID)

demo2: $(VENV)/.installed ## train part two from the newest network of part one, compare its decoders
	$(BIN)/python $(REFERENCE)/main_seq2seq.py train --scheduler --train_augment --logname demo2
	$(BIN)/python $(REFERENCE)/main_seq2seq.py test --fold test --compare

test: $(VENV)/.installed ## the checks on the reference, and the maintainers' tests
	$(BIN)/python -m pytest -q --lab=$(REFERENCE) test_implementation.py
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests

test-all: export LAB_TEST_ALL := 1
test-all: test demo demo2 benchmarks other-pythons ## and what takes long, on other Pythons too

other-pythons: ## the checks and quick tests on Python 3.9 and 3.13, where they are
	for python in $(PYTHONS); do .ci/on_python "$$python" || exit 1; done

check: $(VENV)/.installed ## style, types, and the desk as the reference gives it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python instructor/make_starter.py --check
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.installed ## bring the code into its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

starter: $(VENV)/.installed ## make the desk from the reference
	$(BIN)/python instructor/make_starter.py

figures: $(VENV)/.installed ## draw the figures of the texts, in English and French
	$(BIN)/python docs/figures/draw.py

handout: $(VENV)/.installed ## dist/asr-lab.zip, what students get
	$(BIN)/python instructor/make_handout.py

handout-text: $(VENV)/.installed ## write boxes, figures and outputs of docs/lab.md and lab.fr.md anew
	$(BIN)/python instructor/make_text.py

texts: $(VENV)/.installed ## dist/lab.html and dist/lab.fr.html, to print
	$(BIN)/python instructor/make_text.py --html

gradescope: $(VENV)/.installed ## dist/gradescope.zip, the autograder to upload
	$(BIN)/python instructor/make_bundles.py $@

classroom: $(VENV)/.installed ## dist/classroom.zip, for GitHub Classroom
	$(BIN)/python instructor/make_bundles.py $@

benchmarks: $(VENV)/.installed ## tables of ratios, as README states them
	$(BIN)/python benchmarks/debug_epoch.py
	$(BIN)/python benchmarks/recurrent.py
	$(BIN)/python benchmarks/decoders.py
	$(BIN)/python benchmarks/seq2seq.py
	$(BIN)/python benchmarks/index.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/epoch.py
	$(BIN)/python benchmarks/waiting.py

clean: ## remove runs and what was built; the environments stay
	rm -rf logs dist build .pytest_cache .ruff_cache
