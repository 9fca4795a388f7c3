# minirun: build, test, install. `make help` lists the targets.

GO       ?= go
BIN      ?= bin
PREFIX   ?= /usr/local
DESTDIR  ?=
# The nearest tag, such as v1.2.3, or the number of the next release: engines parse it.
VERSION  ?= $(or $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null)),0.1.0-dev)
COMMIT   ?= $(shell git describe --always --abbrev=12 --exclude '*' --dirty 2>/dev/null)
FUZZTIME ?= 30s

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# urfave_cli_no_docs leaves a Markdown library out of the binary.
TAGS    := urfave_cli_no_docs
LDFLAGS := -s -w -X github.com/minirun/minirun/internal/version.version=$(VERSION) -X github.com/minirun/minirun/internal/version.commit=$(COMMIT)

export CGO_ENABLED := 0

.PHONY: help build test test-v2 test-vm test-trixie vm bench bench-start lint lint-tools lint-go lint-prose lint-shell lint-dead lint-man vulnerabilities verify cross coverage fuzz fuzz-compare fuzz-build soak conformance test-critest install uninstall clean hello

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

PROGRAMS := minirun minirun-systemd minirun-image minirun-engine minirun-lab minirun-translate

build: $(PROGRAMS:%=$(BIN)/%) $(BIN)/minirun-bake ## build bin/minirun and its helpers bin/minirun-*, static binaries

# Always run go build: it knows best what has changed. LDFLAGS contain the commit: buildvcs fails
# if the clone belongs to another user.
.PHONY: $(PROGRAMS:%=$(BIN)/%)
$(PROGRAMS:%=$(BIN)/%):
	$(GO) build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $@ ./cmd/$(@F)

# A separate module, because it has five times as many dependencies as the rest.
.PHONY: $(BIN)/minirun-bake
$(BIN)/minirun-bake:
	$(GO) build -C cmd/minirun-bake -trimpath -buildvcs=false -ldflags '-s -w' -o $(abspath $@) .

hello: ## run a first container, like ./try
	./try

test: ## all tests; those that need root run through sudo
	./scripts/test

test-v2: ## tests that depend on cgroups, on cgroup v2 in a virtual machine
	tests/vm/test quick

test-vm: ## all tests on cgroup v2, with systemd and without root, in virtual machines
	tests/vm/test all

test-trixie: ## tests with Debian 13's kernel, systemd, runtimes and engines, in virtual machines
	tests/vm/test --release trixie distribution

test-critest: ## Kubernetes' tests of the CRI with minirun and runc 1.5 under containerd 2, as root
	tests/engines/critest/compare

vm: ## a shell in a virtual machine with systemd and cgroup v2
	tests/vm/run --install --kind systemd

bench: build ## benchmarks, compared with runc, crun and plain system calls where they are installed
	$(GO) test -tags $(TAGS) -run '^$$' -bench . -benchmem -p 1 ./...

bench-start: build ## how long the binary takes to start and exit, in seconds for 200 starts
	time -p sh -c 'i=0; while [ $$i -lt 200 ]; do $(BIN)/minirun --version >/dev/null; i=$$((i+1)); done'

lint: lint-go lint-prose lint-shell lint-dead lint-man ## all linters, at the versions named here and in tests/tools/go.mod

lint-tools: ## build the linters, which needs their modules
	$(GO) run $(GOLANGCI_LINT) version >/dev/null
	cd tests/tools && CGO_ENABLED=1 $(GO) tool -n vale >/dev/null && $(GO) tool -n deadcode >/dev/null

# `go run` builds a linter once and keeps it in Go's build cache.
lint-go: ## golangci-lint, for every module
	$(GO) run $(GOLANGCI_LINT) run ./...
	cd cmd/minirun-bake && $(GO) run $(GOLANGCI_LINT) run ./...
	cd tests/build/upstream && $(GO) run $(GOLANGCI_LINT) run ./...
	cd tests/tools && $(GO) run $(GOLANGCI_LINT) run ./...

# vale reads comments with tree-sitter, which is C.
lint-prose: ## vale: plain English in documentation, comments and messages
	cd tests/tools && CGO_ENABLED=1 $(GO) run ./prose ../..

# Not checked: scripts of labs with placeholders such as {{token}}, and the capstone's, which learners complete.
lint-shell: ## shellcheck, from the distribution
	@command -v shellcheck >/dev/null || echo "skip: shellcheck is not installed"
	! command -v shellcheck >/dev/null || shellcheck --external-sources --severity warning $$(git ls-files -- . ':!labs/19-capstone/files' | xargs awk 'FNR == 1 { if (!/^#!.*sh$$/) nextfile; names[FILENAME] } FILENAME ~ "^labs/" && /\{\{[a-z]+\}\}/ { delete names[FILENAME]; nextfile } END { for (name in names) print name }')

lint-dead: ## deadcode: no function that only tests call
	$(GO) -C tests/tools tool -n deadcode >/dev/null
	dead=$$($$($(GO) -C tests/tools tool -n deadcode) -tags $(TAGS) ./cmd/...) && [ -z "$$dead" ] || { echo "$$dead"; exit 1; }

lint-man: ## mandoc: the syntax of the manual pages, from the distribution
	@command -v mandoc >/dev/null || echo "skip: mandoc is not installed"
	! command -v mandoc >/dev/null || mandoc -T lint -W warning docs/man/*.8

vulnerabilities: ## govulncheck: known vulnerabilities in what is linked; needs https://vuln.go.dev
	$$($(GO) -C tests/tools tool -n govulncheck) -tags $(TAGS) ./...

verify: ## the modules in the cache are those that go.sum names
	for module in . cmd/minirun-bake tests/build/upstream tests/tools; do $(GO) -C $$module mod verify; done

coverage: ## share of the statements that tests run, as root: half an hour
	./scripts/coverage

cross: ## compile everything, tests too, for arm64
	GOARCH=arm64 $(GO) vet -tags $(TAGS) ./...

fuzz: ## every fuzz test for FUZZTIME (30s)
	GO='$(GO)' TAGS='$(TAGS)' FUZZTIME='$(FUZZTIME)' ./scripts/fuzz

fuzz-compare: build ## 10,000 random bundles under minirun and runc 1.5, as root: half an hour
	MINIRUN=$(abspath $(BIN))/minirun COMPARE_CRUN=0 COMPARE_FUZZ=$${COMPARE_FUZZ:-10000} \
		$(GO) test -tags $(TAGS) -count=1 -timeout 3h -v -run TestFuzz ./tests/compare

fuzz-build: build ## 5,000 random Dockerfiles under minirun and BuildKit v0.34.2, as root: half an hour
	MINIRUN=$(abspath $(BIN))/minirun MINIRUN_BUILDS=$${MINIRUN_BUILDS:-5000} MINIRUN_SEED=$${MINIRUN_SEED:-$$(date +%s)} \
		$(GO) test -tags $(TAGS) -count=1 -timeout 3h -v -parallel $${MINIRUN_PARALLEL:-4} -run 'TestDifferential$$' ./tests/build

soak: build ## 20,000 mixed commands over an hour, as root: memory and files must not grow
	MINIRUN=$(abspath $(BIN))/minirun MINIRUN_SOAK=$${MINIRUN_SOAK:-1h} \
		$(GO) test -tags $(TAGS) -count=1 -timeout 3h -v -run TestSoak ./tests/crash

conformance: build ## BuildKit's Dockerfile tests against minirun, as root: five minutes; writes docs/build-conformance.md
	cd tests/build/upstream && GOFLAGS= GOWORK=off $(GO) run ./conformance $(abspath $(BIN))/minirun ../../../docs/build-conformance.md

# It installs what was built, and builds nothing: sudo's PATH often has no Go.
install: ## install binaries, man pages and completion below PREFIX, after make build
	@for program in $(PROGRAMS) minirun-bake; do [ -x $(BIN)/$$program ] || \
		{ echo "make install: $(BIN)/$$program does not exist"; echo "hint: run make build first, without sudo"; exit 1; }; done
	for program in $(PROGRAMS) minirun-bake; do install -D -m 755 $(BIN)/$$program $(DESTDIR)$(PREFIX)/bin/$$program; done
	for page in docs/man/*.8; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man8/$${page##*/}; done
	install -D -m 644 internal/completion/minirun.bash $(DESTDIR)$(PREFIX)/$(BASH_SCRIPT)
	install -D -m 644 internal/completion/_minirun $(DESTDIR)$(PREFIX)/$(ZSH_SCRIPT)
	install -D -m 644 internal/completion/minirun.fish $(DESTDIR)$(PREFIX)/$(FISH_SCRIPT)

# Where the shells look for the scripts, below PREFIX.
BASH_SCRIPT := share/bash-completion/completions/minirun
ZSH_SCRIPT  := share/zsh/site-functions/_minirun
FISH_SCRIPT := share/fish/vendor_completions.d/minirun.fish

uninstall: ## remove the installed files
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(PROGRAMS) minirun-bake)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(BASH_SCRIPT) $(ZSH_SCRIPT) $(FISH_SCRIPT))
	for page in docs/man/*.8; do rm -f $(DESTDIR)$(PREFIX)/share/man/man8/$${page##*/}; done

clean: ## remove the files that the build and the tests created here
	rm -rf $(BIN) dist
	find . -name '*.test' -type f -delete
