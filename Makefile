# make demo    train the reference on the embedded corpus, transcribe a clip it never heard
# make test    all tests, in an environment of their own
# Windows and macOS without make: the plain commands stand in README.md.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REFERENCE := LabsSolutions/02-pytorch-asr
DEMO_CLIP := corpora/mini/fr/clips/$(shell awk -F'\t' 'NR == 2 {print $$2}' corpora/mini/fr/test.tsv)
RUFF := ruff==0.17.6

.PHONY: demo test test-all check starter handout gradescope classroom benchmarks clean

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt $(RUFF)
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python $(REFERENCE)/main_ctc.py train --scheduler --train_augment --logname demo
	$(BIN)/python $(REFERENCE)/main_ctc.py test --audiofile $(DEMO_CLIP)
	@awk -F'\t' 'NR == 2 {print "what was said: " $$4}' corpora/mini/fr/test.tsv

# The checks on the reference, then the maintainers' tests.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -q --lab=$(REFERENCE) test_implementation.py tests

# The tests too that take long: the bundles grade for real.
test-all: export LAB_TEST_ALL := 1
test-all: test demo benchmarks

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python instructor/make_starter.py --check

starter: $(VENV)/.installed
	$(BIN)/python instructor/make_starter.py

handout: $(VENV)/.installed
	$(BIN)/python instructor/make_handout.py

# What docs/instructors.md says to upload: dist/gradescope.zip, dist/classroom.zip.
gradescope classroom: $(VENV)/.installed
	$(BIN)/python instructor/make_bundles.py $@

benchmarks: $(VENV)/.installed
	$(BIN)/python benchmarks/debug_epoch.py
	$(BIN)/python benchmarks/decoders.py
	$(BIN)/python benchmarks/index.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/epoch.py

clean:
	rm -rf logs dist build .pytest_cache .ruff_cache
