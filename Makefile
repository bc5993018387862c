# Each target is one line that a person could type; the virtual environment makes itself.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
PYTHON ?= python3

# Compiled modules are kept, also where the environment forbids it: else each of the many processes of the tests compiles
# all that it imports anew, which is 10 s of 15 s before a worker's first test.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/out/pycache

# The unit tier: no second program, no socket (tests/conftest.py refuses both), no browser, no database server, no torch,
# no clock, nothing slow.
UNIT := tests/study tests/analysis
UNIT_ONLY := not outside and not chromium and not firefox and not postgresql and not nginx and not redis and not alone and not slow
# The same order and generators each time; make flakes takes others.
SAME := --randomly-seed=1
RUNS ?= 100
WHOLE ?= 3

.PHONY: class coverage-tests flakes mutants wheel-test timing bench-analysis coverage bench-mixed help bench fuzz setup demo test lint types format smoke leaks chaos load serve screenshots console-flow words report test-docs table bench-backends stimuli-demo clean replication docs docs-serve

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.all  ## create .venv with everything (study, analysis, colorizer, test tools)

$(VENV)/.base: requirements.txt pyproject.toml
	@$(PYTHON) tools/bootstrap.py $(VENV) study,analysis
	@touch $@

$(VENV)/.colorizer: $(VENV)/.base
	@$(PYTHON) tools/bootstrap.py $(VENV) study,analysis,colorizer
	@touch $@

$(VENV)/.docs: $(VENV)/.all
	@$(PYTHON) tools/bootstrap.py $(VENV) study,analysis,colorizer,backends,postgresql,parquet,redis,dev,docs
	@touch $@

$(VENV)/.all: requirements.txt pyproject.toml
	@$(PYTHON) tools/bootstrap.py $(VENV) study,analysis,colorizer,backends,postgresql,parquet,redis,dev
	@touch $(VENV)/.base $(VENV)/.colorizer $@

ifdef PHOTOS
demo: $(VENV)/.colorizer
	@$(BIN)/python -m flask --app study demo --port $(PORT) --photos "$(PHOTOS)"
else
demo: $(VENV)/.base  ## take the test on your own machine; PHOTOS=DIR uses your own photographs
	@$(BIN)/python -m flask --app study demo --port $(PORT)
endif

ifneq ($(strip $(FAKES)$(PHOTOS)),)
class: $(VENV)/.colorizer
else
class: $(VENV)/.base  ## a class takes the test on its phones: NAME=8b LANGUAGE=de PHOTOS=DIR FAKES='ann=DIR bob=DIR' HOST=ADDRESS
endif
	@$(BIN)/python -m flask --app study class --port $(PORT) $(if $(NAME),--name "$(NAME)") $(if $(filter command,$(origin LANGUAGE)),--language $(LANGUAGE)) \
	    $(if $(HOST),--host $(HOST)) $(if $(PHOTOS),--photos "$(PHOTOS)") $(foreach fake,$(FAKES),--fakes $(fake))

test: $(VENV)/.all  ## lint, types, import rules and every test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest $(SAME) -m alone
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SAME) -m 'not alone' -n 4 --dist worksteal

docs: $(VENV)/.docs  ## the documentation as a site, into out/docs/site; a broken link is an error
	@$(BIN)/python -m tools.docs build

docs-serve: $(VENV)/.docs  ## the same, shown at http://127.0.0.1:8001/; to see a change, start it again
	@$(BIN)/python -m tools.docs serve --port 8001

test-docs: $(VENV)/.all  ## PAGES="docs/tutorial.md …": run the commands on the documentation's pages (all: 20 minutes)
	@$(BIN)/python -m tools.docs test $(PAGES)

coverage-tests: $(VENV)/.all  ## branch coverage of the whole suite, subprocesses and workers too; fails under 90 % of a package's branches
	@rm -f .coverage .coverage.* && mkdir -p out
	@$(BIN)/python -m pytest -m alone --cov --cov-report= -W ignore::coverage.exceptions.CoverageWarning
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not alone' -n 4 --dist worksteal --cov --cov-append --cov-report= \
	    -W ignore::coverage.exceptions.CoverageWarning
	@$(BIN)/python -m coverage json -q -o out/coverage.json && $(BIN)/python tools/branches.py out/coverage.json

flakes: $(VENV)/.all  ## RUNS=100 WHOLE=3: the unit tier and everything in random orders; the first failure stops and names its seed; resumable
	@OMP_NUM_THREADS=1 $(BIN)/python tools/flakes.py --runs $(RUNS) --whole $(WHOLE) --select "$(UNIT_ONLY)" $(UNIT)

mutants: $(VENV)/.all  ## ONLY='study.design.plan*': change planner and estimators, see which change no test notices; docs/results/mutants.json
	@$(BIN)/python -m uv pip install -q --python $(BIN)/python -c requirements.txt -e '.[mutation]'
	@OMP_NUM_THREADS=1 nice $(BIN)/python tools/mutants.py $(ONLY)

wheel-test: $(VENV)/.base  ## build the wheel, install it without torch in a clean place, run a study to its report and the demonstration
	@$(BIN)/python tools/wheel_test.py $(WHEEL)

lint: $(VENV)/.all  ## ruff and the import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo

types: $(VENV)/.all  ## mypy, strict
	@$(BIN)/mypy

format: $(VENV)/.all  ## let ruff format the tree
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

serve: $(VENV)/.base  ## DOMAIN=…: a server with TLS, job worker, nightly backup and retention; needs caddy
	@TRUEHUE_PYTHON=$(BIN)/python exec deploy/serve.sh "$(DOMAIN)"

smoke: $(VENV)/.all  ## the whole chain without a person; prints the report's path
	@$(BIN)/python tools/smoke.py

leaks: $(VENV)/.all  ## let two adversaries look for real and fake in everything but the pixels (15 minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tools.proof.leaks

chaos: $(VENV)/.all  ## kill workers and databases while 2,000 sessions run on each database, and count what was lost
	@$(BIN)/python -m tools.proof.chaos

load: $(VENV)/.all  ## ONLY="cost pace full growth memory": CPU of an answer beside a bare insert, psiTurk, oTree; 1,000 people (20 minutes)
	@$(BIN)/python -m tools.proof.load $(if $(ONLY),--only $(ONLY))

words: $(VENV)/.all  ## bring the catalogues of the interface's texts up to date
	@$(BIN)/python tools/words.py

screenshots: $(VENV)/.all  ## every participant screen and console page, into docs/screenshots
	@$(BIN)/python tools/screenshots.py && $(BIN)/python tools/screenshots_console.py && $(BIN)/python tools/strip.py

console-flow: $(VENV)/.all  ## from photographs to a published dataset in a browser, timed, into docs/results
	@$(BIN)/python tools/console_flow.py

report: $(VENV)/.base  ## EXPORT=FOLDER_OR_ZIP OUT=DIR: fool rates with intervals, as one HTML page and tables
	@$(BIN)/python -m analysis report "$(EXPORT)" --out "$(OUT)"

PHOTOS_TRAIN ?= train.zip
PHOTOS_VAL ?= val256.zip
MINUTES ?= 15
table: $(VENV)/.colorizer  ## PHOTOS_TRAIN=… PHOTOS_VAL=… MINUTES=15: every small recipe trained and judged; resumable
	@$(BIN)/python -m colorizer table --data "$(PHOTOS_TRAIN)" --val "$(PHOTOS_VAL)" --minutes $(MINUTES) \
	    --out out/table-$(MINUTES) --results $(if $(filter 15,$(MINUTES)),docs/results/table,out/table-$(MINUTES)/results)

bench-backends: $(VENV)/.all  ## parity and speed of torch, onnxruntime and OpenCV, into docs/results
	@$(BIN)/python -m tools.bench_backends --out docs/results/backends.json
bench-analysis: $(VENV)/.all  ## reports of up to a million trials: time, memory, growth, into docs/results
	@$(BIN)/python tools/bench_analysis.py --out docs/results/analysis-large.json

stimuli-demo: $(VENV)/.colorizer  ## render the demo's stimulus set again with the shipped network
	@rm -rf study/demo/stimuli
	@$(BIN)/python -m colorizer stimuli --real samples/photos --model truehue-lite random --n-random 6 --seed 2016 \
	    --format webp --name truehue-demo --out study/demo/stimuli

TRIALS ?= 500
JSPSYCH ?= 100
timing: $(VENV)/.all  ## painted exposures, ours and jsPsych's: idle, busy, throttled; resumable, FRESH=--fresh begins again
	@$(BIN)/python tools/timing.py --trials $(TRIALS) --jspsych-trials $(JSPSYCH) $(FRESH)

coverage: $(VENV)/.all  ## how often the intervals cover: 20,000 studies a design, resumable; FRESH=--fresh begins again
	@$(BIN)/python tools/coverage.py $(FRESH)

replication: $(VENV)/.all  ## table 1 of 2016 with simulated people of those rates, through the real server; resumable (30 minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tools.replication $(FRESH)

bench-mixed: $(VENV)/.all  ## the mixed model's time beside glmmTMB's; needs r-cran-glmmtmb
	@$(BIN)/python tools/bench_mixed.py

bench: $(VENV)/.all bench-backends  ## the colorizer beside the published way (docs/benchmarks.md), and its three backends; goes on where it stopped
	@TQDM_DISABLE=1 $(BIN)/python -m tools.bench_colorizer

fuzz: $(VENV)/.colorizer  ## colour 10,000 damaged files: no crash, no hang, none lost
	@TQDM_DISABLE=1 $(BIN)/python tools/fuzz.py --n 10000

clean:  ## remove the demo's data (asks nothing: it is only a demo)
	@rm -rf .demo out
