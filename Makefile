PYTHON ?= $(shell command -v python3.11 || command -v python3)
PRESET ?= quick
BIN := .venv/bin
# Two workers; a file's tests in the order of the file, and who is done takes over from who is not.
PYTEST := -n 2 --dist worksteal

.PHONY: help book serve pdf test test-other-processor lint bench gpu soak edges tally mutants evidence readme reference reference-smoke lock clean chromium

help:
	@echo "make book   install, run the notebooks, build the book (PRESET=smoke|quick|paper)"
	@echo "make serve  show the built book on this machine"
	@echo "make pdf    print the built book as _build/html/book.pdf, and link it"
	@echo "make test   install, run every test"
	@echo "make test-other-processor  the tests that look at pages, with another instruction set"
	@echo "make lint   ruff and mypy, on notebooks too"
	@echo "make bench  the speed tables, against stated rivals (KEEP=--keep keeps those of the engine)"
	@echo "make gpu    what only a GPU can show, in slices of nine minutes until all is done"
	@echo "make edges  every page at the edge values of its parameters: refused, or drawn honestly"
	@echo "make soak   faults at random for SOAK seconds (default 600)"
	@echo "make tally  count what the tests try, for the book's table"
	@echo "make mutants  plant faults one at a time, and count which the pages' numbers tell (half an hour)"
	@echo "make readme  write what was found into the README, its picture, and the social card"
	@echo "make evidence  the studies that decide claims and are not made yet (hours; PAGE=, SET=)"
	@echo "make reference  keep a page's run: AS=quick/fashion PAGE=zero_correlation WITH='-p base fashion'"
	@echo "make reference-smoke  the rows at smoke that pages are held to, from several processors (20 minutes)"
	@echo "make lock   choose newer versions for requirements.lock"

.venv/done: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

book: .venv/done
	$(BIN)/reuselab book --preset $(PRESET)

serve:
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html

pdf: .venv/done chromium
	$(BIN)/python -m reuselab.book.print

test: .venv/done chromium
	$(BIN)/pytest $(PYTEST)

# Other instructions round sums differently: AVX2 where the machine has more, else what it had before AVX.
OLDER := $(shell grep -qw avx512f /proc/cpuinfo 2>/dev/null && echo ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 \
	|| echo ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2)

test-other-processor: .venv/done
	$(OLDER) $(BIN)/pytest $(PYTEST) -m pages --ignore tests/book/test_browser.py

# A notebook's code is checked as a script: without its prose, its imports where a reader needs them.
lint: .venv/done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@code=$$(mktemp -d) && trap 'rm -rf "$$code"' EXIT && cp notebooks/*.md "$$code" \
	&& $(BIN)/jupytext --quiet --to py:percent "$$code"/*.md && sed -i.prose '/^# /d' "$$code"/*.py \
	&& $(BIN)/ruff check --config pyproject.toml --ignore E402,B018 "$$code"

bench: .venv/done
	$(BIN)/python -m benchmarks.bench $(KEEP)
	$(BIN)/python -m benchmarks.bench_theory

# All that only a GPU can show, in slices of nine minutes until it is done; without a GPU it says so.
gpu: .venv/done
	@status=75; while [ $$status = 75 ]; do $(BIN)/python -m reuselab.gpu --minutes 9; status=$$?; done; exit $$status

# How many edge values were refused and how many drawn is kept in results/edges.csv.
edges: .venv/done
	EDGES=all $(BIN)/pytest tests/claims/test_edges.py

soak: .venv/done
	$(BIN)/python tests/soak.py $(or $(SOAK),600) $(SEED)

# The table of what is tried, in results/, by the tests that pass without image sets.
tally: .venv/done chromium
	env -u REUSELAB_DATA $(BIN)/pytest $(PYTEST) -m hostile
	$(BIN)/python tests/tally.py

mutants: .venv/done
	$(BIN)/python tests/mutants.py

# Hours for each image set; it goes on where it was stopped. PAGE=task_correlation SET=digits to choose.
evidence: .venv/done
	$(BIN)/python -m reuselab.claims.evidence $(PAGE) $(addprefix --set ,$(SET))

readme: .venv/done
	$(BIN)/python -m reuselab.book.front

# Kept in results/$(AS) with its provenance; the page shows it from then on, apart from its own run.
reference: .venv/done
	$(BIN)/reuselab run $(PAGE) $(WITH) -o _build/reference/$(AS)
	@! grep -q ,kept _build/reference/$(AS)/$(PAGE)_claims.csv || { echo "the page showed a kept run: there is none to keep"; exit 2; }
	mkdir -p results/$(AS)
	cd _build/reference/$(AS) && cp $(foreach part,summary claims provenance,$(PAGE)_$(part).csv) $(CURDIR)/results/$(AS)

# Needs the real image sets: CI runs with the same.
reference-smoke: .venv/done
	$(BIN)/python -m reuselab.book.reference

# The PDF and the browser tests need a Chromium: the system's, or Playwright's own where it can be fetched.
chromium: .venv/done
	@command -v chromium chromium-browser google-chrome >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
	|| $(BIN)/playwright install chromium >/dev/null \
	|| echo "no Chromium found or fetched: the browser tests will be skipped"

lock: .venv/done
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-annotate --no-header \
		--no-emit-index-url pyproject.toml -o requirements.lock

clean:
	rm -rf _build
