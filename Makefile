# make          builds bin/vobox-reconcile
# make help     lists the targets

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME   ?= 10s
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The version comes from above, and go's own stamp fails in a checkout that
# belongs to somebody else, as in many a CI.
export GOFLAGS := -buildvcs=false $(GOFLAGS)

build: ## bin/vobox-reconcile, static
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/vobox-reconcile

# go's cache of results does not see that a server has been installed: -count=1.
test: ## every test, with the race detector and, on Debian, the real servers
	@.ci/setup
	@race=-race; command -v gcc >/dev/null || { race=; echo 'no gcc: without the race detector' >&2; }; \
	set -x; go test $$race -count=1 -timeout 20m ./...
	@.ci/setup --check

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

fuzz: ## every fuzz target for FUZZTIME (10s)
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's|/[^/]*:func | |' | sort | \
	while read -r dir target; do \
		echo "$$dir $$target"; \
		go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$dir" </dev/null || exit 1; \
	done

bench: build ## times as ratios to the real tools, measured in the same run
	@.ci/setup
	go run ./reconcile/internal/bench

demo: build ## a sandbox grid, and the main job through its life in it
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/vobox-sandbox
	./examples/demo.sh

cover: ## coverage of all packages by all tests, in build/cover.html
	@mkdir -p build
	go test -timeout 20m -coverpkg=./... -coverprofile=build/cover.out ./...
	go tool cover -html=build/cover.out -o build/cover.html
	go tool cover -func=build/cover.out | tail -1

clean: ## removes bin and build
	rm -rf bin build

help: ## this
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 8

.PHONY: build test lint fuzz bench demo cover clean help
