# SPDX-License-Identifier: Apache-2.0
#
# make          builds ./sonde          make deps     installs what the build and the tests need
# make test     unit, proto, replay     make e2e      real servers, clients and Collector (root)
# make lint     style and layering      make fuzz     each fuzz target for FUZZ_SECONDS
# make bench    what it costs (root)    make demo     see it work in half a minute (root)
# make vmtest   the hooks of older kernels, in virtual machines (root)
# make check    all of it, as CI does   make install  into $(DESTDIR)$(PREFIX), make uninstall

BUILD := build
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
FUZZ_SECONDS ?= 20
VMLINUX_BTF ?= /sys/kernel/btf/vmlinux
VERSION := $(shell git describe --tags 2>/dev/null || \
	{ printf 0.1.0; git rev-parse --short HEAD 2>/dev/null | sed 's/^/+g/'; } | tr -d '\n')

CC = gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))

# One job per processor, unless told otherwise.
MAKEFLAGS += --no-builtin-rules
ifeq ($(filter -j% --jobs% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

INCLUDES := -I. -I$(BUILD) -I$(BUILD)/proto
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(INCLUDES) $(CFLAGS) -MMD -MP
VERSION_FLAG = -DSONDE_VERSION='"$(VERSION)"'
# Inlining across files is worth a fifth of the agent's time per span (make bench).
LTO ?= -flto=auto
LIBS := -Wl,--as-needed -lbpf -lelf -ldw -llzma -ldeflate -lprotobuf-c -lcurl -lyaml -lmicrohttpd -ljansson \
	-lpcre2-8 -lcrypto -liberty -lZydis -lm -lpthread
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# --- what there is -------------------------------------------------------------------------------

BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/bpf/%.skel.h)
PROTO_SRC := $(shell find proto -name '*.proto' 2>/dev/null | sort)
PROTO_C := $(PROTO_SRC:proto/%.proto=$(BUILD)/proto/%.pb-c.c)
TEXTS := $(patsubst user/export/%,$(BUILD)/text/%.h,$(wildcard user/export/*.js user/export/*.css))
USER_SRC := $(sort $(wildcard user/*.c user/*/*.c))
PART_SRC := $(sort $(wildcard user/*/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
UNIT_TESTS := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
FUZZ_TARGETS := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)

# objects(flavour, sources): each flavour of the program has its own tree of objects
objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2)) \
	$(PROTO_C:$(BUILD)/proto/%.c=$(BUILD)/$(1)/proto/%.o)
SONDE_OBJ := $(call objects,obj,$(USER_SRC))
ASAN_OBJ := $(call objects,asan,$(PART_SRC))
# A test links what it needs; protocols are found by their section, so they come all.
ASAN_PARTS := $(filter $(BUILD)/asan/user/protocols/%,$(ASAN_OBJ)) $(BUILD)/asan/parts.a
FUZZ_OBJ := $(call objects,fuzz-obj,$(PART_SRC))
GENERATED := $(SKELETONS) $(PROTO_C) $(TEXTS)

# Commands are shown with make V=1.
ifndef V
.SILENT:
endif

.PHONY: all deps generated unit-tests fuzz-targets lint test fuzz e2e vmtest bench demo check \
	install uninstall clean
.SECONDARY:
.DELETE_ON_ERROR:
all: sonde

# --- the program ---------------------------------------------------------------------------------

# Moved into place: a link that is killed leaves no program that make believes to be ready.
sonde: $(SONDE_OBJ)
	echo "  LINK  $@"
	$(CC) $(CFLAGS) $(LTO) $(LDFLAGS) -o $(BUILD)/$@.tmp $^ $(LIBS) && mv $(BUILD)/$@.tmp $@

$(SONDE_OBJ) $(ASAN_OBJ) $(FUZZ_OBJ): | tools-present $(GENERATED)
generated: $(GENERATED)

$(BUILD)/obj/user/%.o: user/%.c
	echo "  CC    $@"
	mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO) $(WARNINGS) $(VERSION_FLAG) -c -o $@ $<

$(BUILD)/obj/proto/%.o: $(BUILD)/proto/%.c
	echo "  CC    $@"
	mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LTO) -c -o $@ $<

# Sources that name the version are built again when it changes.
VERSIONED := $(if $(USER_SRC),$(shell grep -ls SONDE_VERSION $(USER_SRC)))
$(foreach f,obj asan fuzz-obj,$(VERSIONED:%.c=$(BUILD)/$(f)/%.o)): $(BUILD)/version
$(BUILD)/version: FORCE | tools-present
	mkdir -p $(@D)
	echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
.PHONY: FORCE
FORCE:

# --- BPF: the types of this kernel, objects, skeletons -------------------------------------------

$(BUILD)/vmlinux.h: | tools-present
	mkdir -p $(@D)
	test -r $(VMLINUX_BTF) || { echo "$(VMLINUX_BTF) is missing: this kernel exposes no BTF." \
		"Build on a kernel with CONFIG_DEBUG_INFO_BTF, or give a file: make VMLINUX_BTF=FILE" \
		>&2; exit 1; }
	$(BPFTOOL) btf dump file $(VMLINUX_BTF) format c > $@.tmp && mv $@.tmp $@

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(BUILD)/vmlinux.h
	echo "  BPF   $@"
	mkdir -p $(@D)
	$(CLANG) -g -O2 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -I$(BUILD) -I. -Wall -Werror \
		-MMD -MP -c -o $@ $<
	llvm-strip -g $@

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	echo "  SKEL  $@"
	$(BPFTOOL) gen skeleton $< > $@.tmp && mv $@.tmp $@

# --- OTLP messages -------------------------------------------------------------------------------

$(BUILD)/proto/%.pb-c.c: proto/%.proto | tools-present
	echo "  PROTO $@"
	mkdir -p $(BUILD)/proto
	protoc-c --proto_path=proto --c_out=$(BUILD)/proto $<

# --- what goes out with a flame graph, as strings named after their files -------------------------

$(BUILD)/text/%.h: user/export/%
	mkdir -p $(@D)
	{ echo 'static const char $(subst .,_,$*)[] =' && \
		sed 's/[\\"?]/\\&/g; s/.*/"&\\n"/' $< && echo ';'; } > $@.tmp && mv $@.tmp $@

# --- tests: every part again with sanitizers, and for the fuzzer with coverage too ---------------
# Sanitizers mislead some of gcc's warnings, so the parts are warned about above and by clang only.
# With less optimisation, and of debug information only lines, they are built in half the time.

ASAN_CFLAGS = $(ALL_CFLAGS) -Og -g1 $(SANITIZE)

$(BUILD)/asan/user/%.o: user/%.c
	echo "  CC    $@"
	mkdir -p $(@D)
	$(CC) $(ASAN_CFLAGS) $(VERSION_FLAG) -w -c -o $@ $<

$(BUILD)/asan/proto/%.o: $(BUILD)/proto/%.c
	echo "  CC    $@"
	mkdir -p $(@D)
	$(CC) $(ASAN_CFLAGS) -c -o $@ $<

$(BUILD)/asan/parts.a: $(filter-out $(ASAN_PARTS),$(ASAN_OBJ))
	rm -f $@
	ar rcs $@ $^

$(BUILD)/tests/%: tests/unit/%.c $(ASAN_PARTS)
	echo "  TEST  $@"
	mkdir -p $(@D)
	$(CC) $(ASAN_CFLAGS) $(WARNINGS) -Wno-format-truncation -MF $@.d -o $@ $< $(ASAN_PARTS) $(LIBS) -lz -lcmocka

FUZZ_CFLAGS = $(ALL_CFLAGS) -O1 -g1 $(SANITIZE) -fsanitize=fuzzer-no-link
$(BUILD)/fuzz-obj/user/%.o: user/%.c
	echo "  CC    $@"
	mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) $(WARNINGS) $(VERSION_FLAG) -c -o $@ $<

$(BUILD)/fuzz-obj/proto/%.o: $(BUILD)/proto/%.c
	echo "  CC    $@"
	mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

$(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ)
	echo "  FUZZ  $@"
	mkdir -p $(@D)
	$(CLANG) $(ALL_CFLAGS) -O1 $(SANITIZE) -fsanitize=fuzzer -MF $@.d -o $@ $< $(FUZZ_OBJ) $(LIBS)

unit-tests: $(UNIT_TESTS)
fuzz-targets: $(FUZZ_TARGETS)

test: sonde unit-tests $(BUILD)/tests/write_profile $(BUILD)/tests/write_unwind_rows
	tools/run-tests $(UNIT_TESTS)

fuzz: fuzz-targets
	tools/run-fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

e2e: sonde $(BUILD)/tests/write_profile
	tools/run-e2e

vmtest: sonde
	tools/vmtest

$(BUILD)/bench_spans: tests/bench/bench_spans.c $(call objects,obj,$(PART_SRC))
	echo "  LINK  $@"
	$(CC) $(ALL_CFLAGS) $(LTO) $(WARNINGS) -MF $@.d -o $@ $^ $(LIBS)

$(BUILD)/bench_lines: tests/bench/bench_lines.c $(call objects,obj,$(PART_SRC))
	echo "  LINK  $@"
	$(CC) $(ALL_CFLAGS) $(LTO) $(WARNINGS) -MF $@.d -o $@ $^ $(LIBS)

$(BUILD)/bench_probes: tests/bench/bench_probes.c
	mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(WARNINGS) -MF $@.d -o $@ $<

bench: sonde $(BUILD)/bench_spans $(BUILD)/bench_probes
	tools/bench

lint: sonde
	CLANG='$(CLANG)' tools/lint

# --- entry points: these install what is missing first -------------------------------------------

deps:
	tools/install-deps build test vm

demo check:
	tools/$@

tools-present:
	tools/install-deps --check build
.PHONY: tools-present

# A configuration that is there stays as it is, also when the rest is taken away.
CONFIG = $(DESTDIR)$(SYSCONFDIR)/sonde/sonde.yaml
install: sonde
	install -D -m 755 sonde $(DESTDIR)$(PREFIX)/bin/sonde
	install -d $(DESTDIR)$(UNITDIR)
	sed 's,/usr/local/bin/,$(PREFIX)/bin/,; s,/etc/,$(SYSCONFDIR)/,' deploy/sonde.service \
		> $(DESTDIR)$(UNITDIR)/sonde.service
	chmod 644 $(DESTDIR)$(UNITDIR)/sonde.service
	test -e $(CONFIG) || install -D -m 644 deploy/sonde.yaml $(CONFIG)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sonde $(DESTDIR)$(UNITDIR)/sonde.service

clean:
	rm -rf $(BUILD) sonde

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
