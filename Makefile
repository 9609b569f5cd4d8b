# Every command of this project; the CI workflows call the same ones.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile -q --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header
SOURCES := $(shell find deepfake_serving/contracts deepfake_serving/packaging model_handlers model_store config/models -name '*.py' -o -name '*.yaml' -o -name '*.safetensors')

# Tests start hundreds of processes: compiled modules are kept, even where a container says not to.
unexport PYTHONDONTWRITEBYTECODE

# Built archives and the gateway's state stay in the clone. DEEPFAKE_WEIGHTS=permissive: see docs/settings.md.
export DEEPFAKE_HOME ?= $(CURDIR)/build
export DEEPFAKE_WEIGHTS ?= default

# uv trusts the system's authorities, where the system has some: a proxy may inspect TLS.
ifneq ($(wildcard $(addprefix /etc/,ssl/certs/ca-certificates.crt pki/tls/certs/ca-bundle.crt ssl/ca-bundle.pem ssl/cert.pem)),)
export UV_SYSTEM_CERTS ?= true
endif

.DEFAULT_GOAL := help
# Where the training targets read and write; see docs/training.md.
RUN ?= build/training/run
SPEC ?= config/training/default.yaml
VERSION ?= 1.0
# glibc returns freed memory and requests it again at every step, which halves the speed on CPUs.
TRAINING := GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184 \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m deepfake_serving.training

# How images are built and loaded onto a cluster.
BUILD ?= docker build
LOAD_IMAGE ?= kind load docker-image
HELM_DOCS := go run github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2 \
	--chart-search-root k8s/helm --sort-values-order file --log-level warning

# Processes that run tests: make WORKERS=4 unit.
WORKERS ?= auto
PARALLEL := -n $(WORKERS)
# Slow tests are those of make test-slow.
QUICK := -m "not slow"
# Prints each of several targets as one block, if this make can (from 4.0 on).
OUTPUT_SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: help run archives cases fuzz soak api-clients schemathesis spectral test test-slow test-nightly lint unit integration browser browsers screenshots clients e2e attacks bench bench-check rivals generate lock actionlint zizmor clean rtsp-server \
	chart chart-lint chart-tools manifests images chaos cluster-e2e cluster-smoke smoke load package-models wheel wheel-smoke \
	train mix evaluate evaluate-all calibrate export attack card always

help:  ## list the targets
	@awk -F':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run

run: build/.run archives  ## start everything on this machine (console: http://127.0.0.1:8000); Ctrl-C stops it
	@echo "[3/3] model server, gateway and worker (seconds)"
	@exec $(BIN)/deepfake-serving up

archives: build/archives/.packed  ## pack the models of config/models into build/archives

smoke: build/.smoke  ## make smoke URL=… [GRPC=host:port] [KEY=…]: a test image through a gateway
	@$(if $(KEY),DFK_KEY=$(KEY)) $(BIN)/python -m scripts.smoke $(URL) $(if $(GRPC),--grpc $(GRPC))

##@ Develop

lint: build/.dev  ## style, types, and whether generated files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m scripts.generate --check

generate: build/.dev  ## write everything generated from code: docs pages, schemas, dashboards, compiled .proto files
	$(BIN)/python -m scripts.generate

lock: $(UV)  ## resolve pyproject.toml and requirements/*.in into locks with hashes; tests and servers get the same versions
	$(COMPILE) pyproject.toml requirements/dev.in --extra training --extra bulk -o requirements/dev.txt
	for set in build load; do $(COMPILE) -c requirements/dev.txt requirements/$$set.in -o requirements/$$set.txt; done
	$(COMPILE) -c requirements/dev.txt pyproject.toml --extra gateway --extra mlflow --extra provenance -o requirements/gateway.txt
	for extra in model-server all bulk kuberay training; do \
		$(COMPILE) -c requirements/dev.txt pyproject.toml --extra $$extra -o requirements/$$extra.txt; done
	$(COMPILE) -c requirements/dev.txt pyproject.toml --extra model-server --extra torch -o requirements/cuda.txt
	for set in clients mlflow rivals; do $(COMPILE) requirements/$$set.in -o requirements/$$set.txt; done

rtsp-server: build/bin/rtsp-simple-server  ## build an independent RTSP server for the tests of live sources (needs Go)

clients: build/.clients  ## install third-party clients for the integration tests, in .venv-clients

clean:  ## remove installed and built files
	rm -rf .venv .venv-clients .venv-mlflow .venv-rivals build .mypy_cache .ruff_cache .pytest_cache .hypothesis

##@ Test

test: build/.dev clients archives  ## all checks and tests that need no cluster, in parallel
	@$(MAKE) --no-print-directory --jobs 4 --old-file build/archives/.weights $(OUTPUT_SYNC) \
		integration unit browser lint

unit: build/.dev  ## unit and property tests
	PATH="$(CURDIR)/build/bin:$$PATH" $(BIN)/pytest tests/unit $(QUICK) $(PARALLEL) --dist worksteal

test-slow: build/.dev build/.mlflow archives  ## tests marked slow: kills, trainings, load tests, bulk analysis, every request of the API's document
	PATH="$(CURDIR)/build/bin:$$PATH" $(BIN)/pytest tests/unit tests/integration -m slow $(PARALLEL) --dist loadfile

test-nightly: build/.dev build/.mlflow clients archives  ## unit and integration with many examples of every property (an hour)
	HYPOTHESIS_PROFILE=nightly PATH="$(CURDIR)/build/bin:$$PATH" \
		$(BIN)/pytest tests/unit tests/integration $(PARALLEL) --dist loadfile --timeout 3600

cases: build/.dev archives  ## make cases CASES=folder [EXPECTED=file]: media with expected outcomes; see scripts/cases.py
	$(BIN)/python -m scripts.cases $(CASES) $(if $(EXPECTED),--expected $(EXPECTED))

fuzz: build/.dev  ## make fuzz [COUNT=100000] [SEED=1] [ONLY=heic,avif]: read mutated images, videos and playlists
	ONLY=$(ONLY) $(BIN)/python -W ignore -m tests.support.fuzz $(or $(COUNT),100000) $(or $(SEED),1)

soak: build/.dev archives  ## make soak [COUNT=10000] [SEED=1] [FIRST=0] [MINUTES=60] [KINDS=head=9,image=1]: hostile inputs to a real service; appends to build/soak.jsonl
	$(BIN)/python -W ignore -m tests.support.fuzz.service $(or $(COUNT),10000) --seed $(or $(SEED),1) \
		--first $(or $(FIRST),0) --minutes $(or $(MINUTES),60) $(if $(KINDS),--kinds $(KINDS))

api-clients: build/.dev archives build/api-clients/.installed  ## clients in Python, Go and TypeScript: generate, build and run them (needs Go and Node)
	REQUIRE_API_CLIENTS=1 $(BIN)/pytest tests/integration/gateway/test_client.py tests/integration/gateway/test_api_clients.py

schemathesis: build/.dev  ## make schemathesis URL=… [KEY=…]: requests of every kind from docs/openapi.json; submits jobs
	$(BIN)/python -m tests.support.openapi.run $(URL) $(KEY)

spectral: build/api-clients/.installed  ## lint docs/openapi.json (needs Node)
	build/api-clients/node_modules/.bin/spectral lint --fail-severity warn \
		--ruleset tests/integration/clients/typescript/spectral.yaml docs/openapi.json

integration: build/.dev clients archives  ## tests against a real TorchServe
	$(BIN)/pytest tests/integration $(QUICK) $(PARALLEL) --dist loadfile

browser: build/.dev  ## the console in a real Chromium
	$(BIN)/pytest tests/browser $(PARALLEL) --dist loadfile

browsers: build/.dev build/bin/geckodriver  ## the console in Firefox and WebKit (needs firefox-esr, webkit2gtk-driver, xvfb; Rust for geckodriver)
	PATH="$(CURDIR)/build/bin:$$PATH" $(BIN)/pytest tests/browsers

screenshots: build/.dev archives  ## take the screenshots of docs/console.md, of a real stack
	$(BIN)/python -m tests.browser.screenshots

e2e: build/.dev  ## a clean clone and an installed wheel, like a new user; then the cluster of KUBECONFIG
	$(BIN)/pytest tests/e2e
	@if [ -n "$$KUBECONFIG" ]; then $(MAKE) cluster-e2e; else echo "NOT RUN  tests/cluster: KUBECONFIG is unset"; fi

wheel-smoke: build/.dev  ## build the wheel of a clean clone, install it elsewhere and use it there
	$(BIN)/pytest tests/e2e/test_wheel.py

actionlint:  ## check the workflows (needs Go)
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

zizmor: $(UV)  ## audit the workflows' security
	$(UV) tool run --quiet zizmor@1.32.0 --offline --quiet .github

##@ Bench

bench: build/.dev archives  ## measure speed against goals and other servers; writes build/bench (15 minutes)
	$(BIN)/python -m benchmarks.goals
	$(BIN)/python -m benchmarks.face_detection $(if $(FACES),--portraits $(FACES)) $(if $(MEDIA),--clips $(MEDIA))
	$(BIN)/python -m benchmarks.rivals_bench
	$(BIN)/python -m benchmarks.serving

bench-check: build/.dev archives  ## fail if a ratio is worse than in benchmarks/baseline.json
	$(BIN)/python -m benchmarks.goals --check

rivals: build/.dev  ## install the model servers that `make bench` compares with, in .venv-rivals
	$(UV) venv --quiet --clear .venv-rivals
	$(UV) pip sync --quiet --require-hashes --python .venv-rivals/bin/python requirements/rivals.txt

attacks: build/.dev  ## make attacks [MINUTES=5] [ALONE=5] [ROUNDS=1]: latency of ordinary clients, without and with attackers beside them
	$(BIN)/python -W ignore -m benchmarks.attacks_bench --minutes $(or $(MINUTES),5) $(if $(ALONE),--alone $(ALONE)) \
		--rounds $(or $(ROUNDS),1)

load: build/.dev  ## make load URL=… [USERS="image-rest live"] [SHAPE=ramp] [PEAK=8] [DURATION=60]; DFK_KEY is the API key
	$(BIN)/python -m loadtest $(or $(USERS),image-rest) --url $(or $(URL),http://127.0.0.1:8000) \
		--shape $(or $(SHAPE),steady) --peak $(or $(PEAK),4) --duration $(or $(DURATION),60)

##@ Train

train: build/.dev  ## make train FACES=folder [MEDIA= or SWAPS=folder]: train, or resume
	$(TRAINING) train $(FACES) --spec $(SPEC) --out $(RUN) $(if $(MEDIA),--media $(MEDIA)) \
		$(if $(SWAPS),--swaps $(SWAPS))

evaluate: build/.dev  ## make evaluate MEDIA=folder [FOLDS=run]: metrics, plots and a report
	$(TRAINING) evaluate $(MEDIA) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(FOLDS),--folds $(FOLDS))

mix: build/.dev  ## make mix PACKS=folder: train on many packed sources, or resume
	$(TRAINING) mix $(PACKS) --out $(RUN)

evaluate-all: build/.dev  ## make evaluate-all DEVELOPMENT=folder [ROBUSTNESS=40]: all development sets, groups, corruptions
	$(TRAINING) evaluate-all $(DEVELOPMENT) $(if $(WEIGHTS),--weights $(WEIGHTS)) \
		$(if $(ROBUSTNESS),--robustness $(ROBUSTNESS))

calibrate: build/.dev  ## fit the calibration to an evaluation's scores; writes build/training/calibration.json
	$(TRAINING) calibrate build/training/evaluation/scores.csv

export: build/.dev  ## export the run's network to model_store, with ONNX and OpenVINO graphs beside it
	$(TRAINING) export $(RUN) --version $(VERSION) --also config/models/classifier.yaml \
		$(if $(CALIBRATION),--calibration $(CALIBRATION)) $(if $(BOUND),--bound $(BOUND)) \
		$(if $(LICENCE),--licence $(LICENCE))

attack: build/.dev  ## make attack MEDIA=folder: adversarial evaluation of the stored model
	$(TRAINING) attack $(MEDIA) $(if $(WEIGHTS),--weights $(WEIGHTS))

card: build/.dev  ## write the model card from the other targets' results
	$(TRAINING) card --attacks build/training/attacks \
		$(if $(wildcard build/training/evaluation),--evaluation build/training/evaluation) \
		--calibration build/training/calibration.json --export model_store/detector-$(VERSION).json \
		$(if $(wildcard build/training/development),--development build/training/development)

##@ Release

wheel: $(UV)  ## build the sdist and the wheel into build/dist
	$(BIN)/python -m build --no-isolation --outdir build/dist

package-models: archives  ## pack the models and write their digests
	cd build/archives && sha256sum *.mar > digests.txt

images: archives  ## build all images and load them onto a cluster: BUILD="docker build" LOAD_IMAGE="kind load docker-image"
	BUILD="$(BUILD)" LOAD="$(LOAD_IMAGE)" scripts/cluster-images.sh

##@ Cluster

chart: build/.dev  ## the chart, manifests, rules and dashboards: needs helm with its unittest plugin, kustomize, promtool and Go
	$(BIN)/python -m scripts.manifests --check
	$(HELM_DOCS) --dry-run | diff k8s/helm/deepfake-serving/README.md -
	PATH="$(CURDIR)/build/bin:$$PATH" REQUIRE_CHART_TOOLS=1 $(BIN)/pytest tests/chart

chart-lint:  ## chart-testing with every values file of ci/ (needs helm and ct)
	PATH="$(CURDIR)/build/bin:$$PATH" ct lint --all --chart-dirs k8s/helm --check-version-increment=false \
		--validate-maintainers=false --validate-chart-schema=false --validate-yaml=false

chart-tools: build/bin/promtool  ## install what `chart` and `chart-lint` need besides helm, into build/bin (needs helm and Go)
	helm plugin list | grep -q ^unittest || helm plugin install https://github.com/helm-unittest/helm-unittest --version v1.1.2
	GOBIN="$(CURDIR)/build/bin" go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
	GOBIN="$(CURDIR)/build/bin" go install github.com/helm/chart-testing/v3/ct@v3.14.0

manifests: build/.dev  ## render k8s/manifests and the chart's README from the chart (needs helm and Go)
	$(BIN)/python -m scripts.manifests
	$(HELM_DOCS)

cluster-smoke: build/.dev  ## install, predict and upgrade under load only: 3 minutes
	$(BIN)/pytest tests/cluster -m smoke

cluster-e2e: build/.dev archives  ## the chart on the cluster of KUBECONFIG, after `make images`: 25 minutes; see docs/kubernetes.md
	$(BIN)/pytest tests/cluster

chaos: build/.dev  ## make chaos [REQUESTS=50000] [EVENTS=upgrade,kill-gateway] [SEED=1] [REDIS_GONE_S=300]: requests and jobs on the cluster of KUBECONFIG during kills and outages, after `make images`
	$(BIN)/python -m tests.chaos --requests $(or $(REQUESTS),50000) --seed $(or $(SEED),1) \
		--redis-gone-s $(or $(REDIS_GONE_S),300) $(if $(EVENTS),--events $(EVENTS))

# Files that record what is installed and built.

$(UV): requirements/build.txt
	@echo "[1/3] environment: .venv (minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 run" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@mkdir -p build && touch $@

build/.run: $(UV) requirements/all.txt pyproject.toml scripts/install.sh
	@scripts/install.sh requirements/all.txt && touch $@

# Without torch, TorchServe and Java.
build/.smoke: $(UV) requirements/gateway.txt pyproject.toml scripts/install.sh
	@scripts/install.sh requirements/gateway.txt && touch $@

build/.dev: $(UV) requirements/dev.txt pyproject.toml scripts/install.sh
	@scripts/install.sh requirements/dev.txt && touch $@ build/.run

# `go install` refuses modules with replace or exclude directives, so it is built in the module's folder.
build/bin/promtool:
	go mod download github.com/prometheus/prometheus@v0.307.3
	cd "$$(go env GOMODCACHE)/github.com/prometheus/prometheus@v0.307.3" \
		&& go build -mod=readonly -o "$(CURDIR)/build/bin/" ./cmd/promtool ./cmd/prometheus

build/bin/rtsp-simple-server:
	go mod download github.com/aler9/rtsp-simple-server@v0.20.0
	cd "$$(go env GOMODCACHE)/github.com/aler9/rtsp-simple-server@v0.20.0" \
		&& go build -mod=readonly -ldflags=-checklinkname=0 -o "$(CURDIR)/$@" .

# Uses what is installed; Debian has no package of it.
build/bin/geckodriver:
	@mkdir -p $(@D)
	if command -v geckodriver >/dev/null; then ln -sfn "$$(command -v geckodriver)" $@; \
		else cargo install geckodriver --version 0.37.1 --locked --root build; fi

build/api-clients/.installed: tests/integration/clients/typescript/package-lock.json
	@mkdir -p $(@D)
	cp tests/integration/clients/typescript/package*.json $(@D)
	cd $(@D) && npm ci --no-audit --no-fund --ignore-scripts && touch .installed

build/.clients: build/.dev requirements/clients.txt
	@$(UV) venv --quiet --clear .venv-clients
	@$(UV) pip sync --quiet --require-hashes --python .venv-clients/bin/python requirements/clients.txt
	@touch $@

# MLflow's server, whose pins collide with ours.
build/.mlflow: build/.dev requirements/mlflow.txt
	@$(UV) venv --quiet --clear .venv-mlflow
	@$(UV) pip sync --quiet --require-hashes --python .venv-mlflow/bin/python requirements/mlflow.txt
	@touch $@

# Changes only when DEEPFAKE_WEIGHTS does.
build/archives/.weights: always
	@mkdir -p $(@D) && echo "$(DEEPFAKE_WEIGHTS)" | cmp -s - $@ || echo "$(DEEPFAKE_WEIGHTS)" >$@

build/archives/.packed: build/.run build/archives/.weights $(SOURCES)
	@echo "[2/3] archives"
	@$(BIN)/deepfake-serving package && touch $@
