# SPDX-License-Identifier: BSD-2-Clause
#
# make            build/porttrace
# make run        install what is missing, build, trace (ARGS='--port 60609')
# make check      install what is missing, build with sanitizers, run all tests
# make help       the other targets
#
# V=1 shows the commands. SAN=1 builds with the sanitizers, under build/san.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
SAN ?=
# of make soak
SEED ?=
STEPS ?= 1000000
LOSS_STEPS ?= 200000
# of make fuzz, for each target
FUZZ_SECONDS ?= 600
SERIES ?= newest 6.1
ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')

CC ?= gcc
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

BUILD := build$(if $(SAN),/san)
WARN := -Wall -Wextra -Wtype-limits -Werror -Wunused-function -Wstrict-prototypes
CFLAGS ?= -O2 -g
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_CFLAGS := -std=gnu11 $(WARN) -I. -I$(BUILD) -D_GNU_SOURCE -DPORTTRACE_VERSION='"$(VERSION)"' \
	$(CFLAGS) $(if $(SAN),$(SANITIZE))
LIBS := -Wl,--as-needed -lbpf -lelf -lz -lcap-ng -lzstd -lisal -lsqlite3 -ljansson -lpthread
TEST_LIBS := -Wl,--as-needed -lcmocka -ljansson -lpthread -lbpf -lsqlite3 -lm

# What each package is for: docs/development.md
BUILD_PACKAGES := gcc make clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libcap-ng-dev \
	libzstd-dev libisal-dev libsqlite3-dev libjansson-dev
GUEST_PACKAGES := qemu-system-x86 busybox-static cpio
CHECK_PACKAGES := libcmocka-dev shellcheck clang-format jq sqlite3 libclang-rt-14-dev

SOURCES := $(filter-out user/cmd/main.c,$(sort $(wildcard user/*/*.c)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
MAIN := $(BUILD)/user/cmd/main.o
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/support/*.c)))
LIVE_TESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/live/test_*.c)))
LIVE_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(wildcard tests/live/test_*.c),\
	$(sort $(wildcard tests/live/*.c))))
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
BENCHES := $(addprefix $(BUILD)/tests/bench/,codec scale user)
SOAK := $(addprefix $(BUILD)/tests/soak/,walk check)
SKELETON := $(BUILD)/porttrace.skel.h

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all run check deps clean install uninstall format lint help \
	tests check-unit check-live check-kernels \
	bench bench-check bench-load bench-scale bench-codec bench-user soak fuzz $(FUZZ_TARGETS:%=%-run)

all: $(BUILD)/porttrace

# ---- build --------------------------------------------------------------------

$(BUILD)/porttrace: $(OBJECTS) $(MAIN)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Only the loader includes the skeleton.
$(BUILD)/user/live/loader.o: $(SKELETON)

$(BUILD)/%.bpf.o: bpf/%.bpf.c Makefile
	@mkdir -p $(@D)
	@command -v $(CLANG) >/dev/null || { echo "make: $(CLANG) is missing: run 'make deps'"; exit 1; }
	$(call say,BPF,$<)$(CLANG) -target bpf -O2 -g -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Werror \
		-Wno-unused-parameter -Ivmlinux -Ibpf -MMD -MP -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name porttrace_bpf > $@

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(TEST_SUPPORT) $(OBJECTS)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS) $(TEST_LIBS)

$(BUILD)/tests/live/test_%: $(BUILD)/tests/live/test_%.o $(LIVE_SUPPORT)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $^ -o $@ $(LDFLAGS) $(TEST_LIBS)

SOAK_SHARED := $(addprefix $(BUILD)/tests/,live/fail.o live/net.o soak/tally.o)
$(BUILD)/tests/soak/walk: $(SOAK_SHARED) \
	$(addprefix $(BUILD)/tests/soak/,walk.o world.o steps.o sock.o diag.o post.o)
$(BUILD)/tests/soak/check: $(SOAK_SHARED) $(BUILD)/tests/live/stream.o \
	$(addprefix $(BUILD)/tests/soak/,check.o score.o)
$(SOAK):
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $^ -o $@ $(LDFLAGS) $(TEST_LIBS)

$(BENCHES): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(TEST_SUPPORT) $(OBJECTS)
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS) -lm

# static-pie: needs no library in a guest, and ldd knows it
BENCH_LOADS := $(addprefix $(BUILD)/tests/bench/,load hold)
$(BUILD)/tests/bench/load: tests/bench/peer.c tests/bench/peer.h
$(BENCH_LOADS): $(BUILD)/tests/bench/%: tests/bench/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 $(WARN) -I. -D_GNU_SOURCE -O2 -static-pie $(filter %.c,$^) -o $@

# clang: gcc has no libFuzzer. What reads a file, and what it is handed to.
FUZZ_FLAGS := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
FUZZ_OBJECTS := $(patsubst %.c,build/fuzz/%.o,\
	$(filter $(foreach layer,base event recording ledger,user/$(layer)/%.c),$(SOURCES)) $(sort $(wildcard tests/support/*.c)))
build/fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)$(CLANG) -std=gnu11 $(WARN) -I. -Ibuild -D_GNU_SOURCE \
		-DPORTTRACE_VERSION='"$(VERSION)"' $(FUZZ_FLAGS) -MMD -MP -c $< -o $@

$(FUZZ_TARGETS): build/fuzz/%: build/fuzz/tests/fuzz/%.o $(FUZZ_OBJECTS)
	$(call say,LD,$@)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer $^ -o $@ $(LDFLAGS) $(LIBS) -lm

$(BUILD)/tests/demo/%: tests/demo/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE -O2 -static $< -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- use ----------------------------------------------------------------------

run: deps
	@$(MAKE) --no-print-directory -s all $(BUILD)/tests/demo/workload
	$(Q)tests/demo/run $(BUILD) $(ARGS)

deps:
	$(Q).ci/install-packages $(BUILD_PACKAGES) $(GUEST_PACKAGES) $(CHECK_PACKAGES)

install: all
	$(Q)install -D -m 0755 $(BUILD)/porttrace $(DESTDIR)$(PREFIX)/sbin/porttrace

uninstall:
	$(Q)rm -f $(DESTDIR)$(PREFIX)/sbin/porttrace

clean:
	$(Q)rm -rf build

help:
	@sed -n '3,8s/^# \{0,1\}//p' Makefile
	@echo "make deps | install [DESTDIR= PREFIX=] | uninstall | clean | format | lint"
	@echo "make check-unit | check-live | check-kernels | bench | bench-check"
	@echo "make soak [SEED= STEPS= LOSS_STEPS= SERIES=]"
	@echo "make fuzz [FUZZ_SECONDS=] | bench-codec | bench-user [EVENTS=]"
	@echo "make bench-load [CONNECTIONS=] | bench-scale"

# ---- tests --------------------------------------------------------------------

check: deps
	$(Q)tests/run-all

tests: $(UNIT_TESTS) $(LIVE_TESTS) $(SOAK) $(BUILD)/tests/bench/codec $(BUILD)/porttrace

check-unit check-live:
	@$(MAKE) --no-print-directory -s SAN=1 tests
	$(Q)tests/run-all $(@:check-%=%)

check-kernels: deps
	@$(MAKE) --no-print-directory -s SAN=1 tests
	$(Q)tests/run-kernels

# One walk after another, also if one fails; the last loses records.
soak: deps
	@$(MAKE) --no-print-directory -s all $(SOAK)
	$(Q)status=0; for series in $(SERIES); do \
		tests/soak/run --kernel $$series --steps $(STEPS) $(SEED:%=--seed %) || status=1; \
	done; \
	tests/soak/run --kernel $(firstword $(SERIES)) --steps $(LOSS_STEPS) $(SEED:%=--seed %) \
		--loss --buffer-size 64K || status=1; \
	exit $$status

# A corpus that is found stays in build/fuzz; what is in tests/fuzz is the beginning.
fuzz: deps
	@$(MAKE) --no-print-directory -s $(FUZZ_TARGETS)
	@$(MAKE) --no-print-directory -s $(FUZZ_TARGETS:%=%-run)

$(FUZZ_TARGETS:%=%-run): build/fuzz/%-run:
	$(Q)mkdir -p build/fuzz/corpus/$*
	$(Q)build/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 \
		-rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix=build/fuzz/$*- -dict=tests/fuzz/$*.dict \
		build/fuzz/corpus/$* tests/fuzz/corpus/$*

# The codec of recordings, on this machine.
bench-codec: $(BUILD)/tests/bench/codec
	$(Q)$<

# What recording and asking costs beside SQLite; EVENTS=100000000 for the goals' case.
bench-user: $(BUILD)/porttrace $(BUILD)/tests/bench/user
	$(Q)tests/bench/user $(EVENTS)

bench: deps
	@$(MAKE) --no-print-directory -s all $(BENCH_LOADS)
	$(Q)tests/bench/run

# In make check: few connections, against the bounds of tests/bench/bounds.
bench-check:
	@$(MAKE) --no-print-directory -s all $(BENCH_LOADS) $(BUILD)/tests/bench/scale
	$(Q)tests/bench/check

# Two CPUs, as fast as the guest can, beside other tracers: what is lost, how much memory.
bench-load: deps
	@$(MAKE) --no-print-directory -s all $(BENCH_LOADS)
	$(Q)tests/bench/loss $(CONNECTIONS)

# How the user's side scales with what there is to know.
bench-scale: $(BUILD)/tests/bench/scale
	$(Q)tests/bench/scale

lint:
	$(Q)tests/lint

format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')
