# Hulotte. `make run` builds and starts it; `make test` is everything that CI runs.
# Needed: Go 1.26 or newer, Node 20.19 or newer. The tests also use a few Debian packages, among them Java 17 and Maven
# for a real Apache Cassandra: `make deps`.

GO  ?= go
NPM ?= npm
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -path web/test-results -prune -o -type f -print 2>/dev/null)

.PHONY: run
run: build ## build the web UI and the binary, and start it
	./bin/hulotte $(ARGS)

.PHONY: build
build: web ## build bin/hulotte with the web UI inside
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/hulotte ./cmd/hulotte

.PHONY: web
web: web/dist/index.html ## build the web UI into web/dist

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && $(NPM) run --silent build
	@touch $@

web/node_modules/.installed: web/package-lock.json
	cd web && $(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: test
test: web/node_modules/.installed ## everything that CI runs; closes with 'N passed, N failed'
	$(GO) run ./test/suite $(STEPS)

.PHONY: lint
lint: ## format, vet and golangci-lint
	$(GO) run ./test/suite format vet lint

.PHONY: bench
bench: ## Go benchmarks (CPU and bytes; wall times are for orientation only)
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: test-clients
test-clients: build ## end to end with clients that take minutes to build, such as logcli; once built they are part of make test too
	TEST_CLIENTS=1 TEST_HULOTTE_BIN=$(CURDIR)/bin/hulotte $(GO) test -timeout=30m ./test

.PHONY: bench-logs
bench-logs: build ## logs beside VictoriaLogs and Loki: ARGS="-victorialogs /path/victoria-logs -loki /path/loki"
	$(GO) run ./test/bench/logs -hulotte bin/hulotte $(ARGS)

.PHONY: bench-traces
bench-traces: build ## traces beside VictoriaTraces and Jaeger: ARGS="-victoriatraces /path/victoria-traces -jaeger /path/all-in-one"
	$(GO) run ./test/bench/traces -hulotte bin/hulotte $(ARGS)

.PHONY: bench-checks
bench-checks: ## 50,000 checks a minute: CPU, memory, scheduling delay (3 minutes): ARGS="-checks 50000 -minutes 2"
	$(GO) run ./test/bench/checks $(ARGS)

.PHONY: bench-alerts
bench-alerts: build ## 10,000 active alerts in 1,000 groups: CPU, memory, time of the API's answers (4 minutes): ARGS="-alerts 10000 -minutes 3"
	$(GO) run ./test/bench/alerts -hulotte bin/hulotte $(ARGS)

.PHONY: bench-rules
bench-rules: build ## 2,000 alerting rules over 100,000 series every 15 s: CPU, memory, missed evaluations (4 minutes): ARGS="-rules 2000 -minutes 3"
	$(GO) run ./test/bench/rules -hulotte bin/hulotte $(ARGS)

.PHONY: rehearsal
rehearsal: build ## things that break for real, and what the default rules make of them (root, half an hour)
	$(GO) run ./test/rehearsal -hulotte bin/hulotte $(ARGS)

.PHONY: demo
demo: build ## Hulotte with two applications (Go, Django) and a load on them, until Ctrl-C: ARGS="-rate 4"
	$(GO) run ./examples/demo $(ARGS)

.PHONY: roundtrip-logs
roundtrip-logs: build ## log files in, a kill, the same bytes out: FILES="/var/log/syslog ..."
	$(GO) run ./test/roundtrip -hulotte bin/hulotte $(FILES)

.PHONY: differential-logql
differential-logql: build ## the same LogQL queries to a real Loki, every difference shown: ARGS="-loki /path/loki"
	$(GO) run ./test/differential/logql -hulotte bin/hulotte $(ARGS)

NODES ?= 1
.PHONY: cassandra
cassandra: ## a real Apache Cassandra until Ctrl-C: NODES=1 or 3, ARGS for more; data in bin/cassandra
	@$(GO) build -o bin/cassandra-dev ./tools/cassandra/cmd
	@exec bin/cassandra-dev -nodes $(NODES) $(ARGS)

FUZZTIME ?= 30s
.PHONY: race
race: ## every Go test with the race detector, also those for which the suite has no time
	$(GO) test -race -timeout=60m ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for t in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$f); do \
	    echo "$$t in $$f"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); \
	  done; done

.PHONY: deps
deps: ## install the Debian packages that the tests use (needs root)
	.ci/deps

.PHONY: clean
clean: ## remove what was built
	rm -rf bin web/dist/assets web/dist/index.html* web/test-results

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
