# Every command of this project; the workflows of CI call the same ones.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
SOURCES := $(shell find deepfake_serving/contracts deepfake_serving/packaging model_handlers model_store config/models -name '*.py' -o -name '*.yaml' -o -name '*.safetensors')

.DEFAULT_GOAL := help
# Where the training targets read and write; see docs/training.md.
RUN ?= build/training/run
SPEC ?= config/training/default.yaml
VERSION ?= 1.0
# glibc gives freed memory back and takes it anew at every step, which halves the speed on CPUs.
TRAINING := GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184 \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m deepfake_serving.training

# How images are built and brought to a cluster.
BUILD ?= docker build
LOAD_IMAGE ?= kind load docker-image
HELM_DOCS := go run github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2 \
	--chart-search-root k8s/helm --sort-values-order file --log-level warning

.PHONY: help run archives test lint unit integration browser clients e2e bench bench-check rivals generate lock actionlint clean rtsp-server \
	chart chart-lint chart-tools manifests images cluster-e2e cluster-smoke smoke load package-models \
	train evaluate calibrate export attack card

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build/.run archives  ## start everything with embedded defaults: the console is at http://127.0.0.1:8000; Ctrl-C stops it
	@echo "[3/3] model server, gateway and worker (seconds)"
	@exec $(BIN)/deepfake-serving up

archives: build/archives/.packed  ## pack the models of config/models into build/archives

test: build/.dev clients lint unit integration browser  ## everything that needs no cluster

lint: build/.dev  ## style, types, and that everything generated is up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m scripts.generate --check

unit: build/.dev  ## unit and property tests
	PATH="$(CURDIR)/build/bin:$$PATH" $(BIN)/pytest tests/unit

integration: build/.dev clients archives  ## tests against a real TorchServe
	$(BIN)/pytest tests/integration

browser: build/.dev  ## the console in a real Chromium
	$(BIN)/pytest tests/browser

rtsp-server: build/bin/rtsp-simple-server  ## an RTSP server that others wrote, for the tests of live sources (needs Go)

clients: build/.clients  ## the foreign clients that the integration tests call

e2e: build/.dev  ## a clean clone as a new user meets it: make run, curl, signals; then the cluster of KUBECONFIG
	$(BIN)/pytest tests/e2e
	@if [ -n "$$KUBECONFIG" ]; then $(MAKE) cluster-e2e; else echo "NOT RUN  tests/cluster: KUBECONFIG is unset"; fi

chart: build/.dev  ## the chart and what hangs on it: needs helm with its unittest plugin, kustomize, promtool and Go
	$(BIN)/python -m scripts.manifests --check
	$(HELM_DOCS) --dry-run | diff k8s/helm/deepfake-serving/README.md -
	PATH="$(CURDIR)/build/bin:$$PATH" REQUIRE_CHART_TOOLS=1 $(BIN)/pytest tests/chart

chart-lint:  ## chart-testing over every file of ci/ (needs helm and ct)
	PATH="$(CURDIR)/build/bin:$$PATH" ct lint --all --chart-dirs k8s/helm --check-version-increment=false \
		--validate-maintainers=false --validate-chart-schema=false --validate-yaml=false

chart-tools:  ## what the two above need besides helm, into build/bin (needs helm and Go)
	helm plugin list | grep -q ^unittest || helm plugin install https://github.com/helm-unittest/helm-unittest --version v1.1.2
	GOBIN="$(CURDIR)/build/bin" go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
	GOBIN="$(CURDIR)/build/bin" go install github.com/prometheus/prometheus/cmd/promtool@v0.307.3
	GOBIN="$(CURDIR)/build/bin" go install github.com/helm/chart-testing/v3/ct@v3.14.0

manifests: build/.dev  ## write k8s/manifests and the chart's README from the chart (needs helm and Go)
	$(BIN)/python -m scripts.manifests
	$(HELM_DOCS)

images: archives  ## build all images and load them onto a cluster: BUILD="docker build" LOAD_IMAGE="kind load docker-image"
	BUILD="$(BUILD)" LOAD="$(LOAD_IMAGE)" scripts/cluster-images.sh

cluster-e2e: build/.dev archives  ## the chart on the cluster of KUBECONFIG, after `make images`: 25 minutes; see docs/kubernetes.md
	$(BIN)/pytest tests/cluster

cluster-smoke: build/.dev  ## install, predict and upgrade under load only: 3 minutes
	$(BIN)/pytest tests/cluster -m smoke

load: build/.dev  ## make load URL=… [USERS="image-rest live"] [SHAPE=ramp] [PEAK=8] [DURATION=60]; DFK_KEY is the key
	$(BIN)/python -m loadtest $(or $(USERS),image-rest) --url $(or $(URL),http://127.0.0.1:8000) \
		--shape $(or $(SHAPE),steady) --peak $(or $(PEAK),4) --duration $(or $(DURATION),60)

smoke: build/.run  ## make smoke URL=… [GRPC=host:port] [KEY=…]: a photograph through a gateway
	@$(if $(KEY),DFK_KEY=$(KEY)) $(BIN)/python -m scripts.smoke $(URL) $(if $(GRPC),--grpc $(GRPC))

package-models: archives
	cd build/archives && sha256sum *.mar > digests.txt

bench: build/.dev archives  ## speed against goals and side by side; writes build/bench (15 minutes)
	$(BIN)/python -m benchmarks.goals
	$(BIN)/python -m benchmarks.finding $(if $(FACES),--portraits $(FACES)) $(if $(MEDIA),--clips $(MEDIA))
	$(BIN)/python -m benchmarks.rivals_bench
	$(BIN)/python -m benchmarks.serving

bench-check: build/.dev archives  ## fails where a ratio lost more than 15 % of benchmarks/baseline.json
	$(BIN)/python -m benchmarks.goals --check

rivals: build/.dev  ## the other model servers that `make bench` compares with, in .venv-rivals
	$(UV) venv --quiet --clear .venv-rivals
	$(UV) pip sync --quiet --require-hashes --python .venv-rivals/bin/python requirements/rivals.txt

train: build/.dev  ## make train FACES=folder [MEDIA= or SWAPS=folder]: train, or go on where it stopped
	$(TRAINING) train $(FACES) --spec $(SPEC) --out $(RUN) $(if $(MEDIA),--media $(MEDIA)) \
		$(if $(SWAPS),--swaps $(SWAPS))

evaluate: build/.dev  ## make evaluate MEDIA=folder [FOLDS=run]: figures, plots and a page of the model
	$(TRAINING) evaluate $(MEDIA) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(FOLDS),--folds $(FOLDS))

calibrate: build/.dev  ## from an evaluation's scores to build/training/calibration.json
	$(TRAINING) calibrate build/training/evaluation/scores.csv

export: build/.dev  ## the run's network, checked, into the store; ONNX and OpenVINO beside it
	$(TRAINING) export $(RUN) --version $(VERSION) --also config/models/classifier.yaml \
		$(if $(CALIBRATION),--calibration $(CALIBRATION))

attack: build/.dev  ## make attack MEDIA=folder: adversarial evaluation of the model in the store
	$(TRAINING) attack $(MEDIA) $(if $(WEIGHTS),--weights $(WEIGHTS))

card: build/.dev  ## the model card, from the figures that the others left
	$(TRAINING) card --evaluation build/training/evaluation --attacks build/training/attacks \
		--calibration build/training/calibration.json --export model_store/detector-$(VERSION).json

generate: build/.dev  ## write what is made from code: pages of docs, compiled .proto files
	$(BIN)/python -m scripts.generate

lock: $(UV)  ## resolve requirements/*.in anew
	cd requirements && for set in uv serve cuda gateway load run train dev clients rivals; do ../$(COMPILE) $$set.in -o $$set.txt; done

actionlint:  ## check the workflows (needs Go)
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

clean:  ## remove what was installed and built
	rm -rf .venv .venv-clients build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(UV): requirements/uv.txt
	@echo "[1/3] environment: .venv (minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 run" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@mkdir -p build && touch $@

build/.run: $(UV) requirements/run.txt pyproject.toml scripts/install.sh
	@scripts/install.sh requirements/run.txt && touch $@

build/.dev: $(UV) requirements/dev.txt pyproject.toml scripts/install.sh
	@scripts/install.sh requirements/dev.txt && touch $@ build/.run

build/bin/rtsp-simple-server:
	go mod download github.com/aler9/rtsp-simple-server@v0.20.0
	cd "$$(go env GOMODCACHE)/github.com/aler9/rtsp-simple-server@v0.20.0" \
		&& go build -mod=readonly -ldflags=-checklinkname=0 -o "$(CURDIR)/$@" .

build/.clients: build/.dev requirements/clients.txt
	@$(UV) venv --quiet --clear .venv-clients
	@$(UV) pip sync --quiet --require-hashes --python .venv-clients/bin/python requirements/clients.txt
	@touch $@

build/archives/.packed: build/.run $(SOURCES)
	@echo "[2/3] archives"
	@$(BIN)/deepfake-serving package && touch $@
