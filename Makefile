# SPDX-License-Identifier: MIT
# tnm: tiny neural models on a Raspberry Pi. `make help` lists what can be made.

# ---- What is needed ------------------------------------------------------------------------------

# The one list of Debian packages. run, check and their like install what is missing of it.
PACKAGES = gcc g++ libc6-dev pkg-config check libmicrohttpd-dev libturbojpeg0-dev libpng-dev \
    libexif-dev libjansson-dev libinih-dev libsystemd-dev zlib1g-dev libopenblas-dev
PACKAGES_x86_64 = libsimde-dev
PACKAGES_LINT = clang-format cppcheck
PACKAGES_FUZZ = clang libclang-rt-14-dev
PACKAGES_HAPROXY = haproxy
PACKAGES_KSERVE = python3-yaml
PACKAGES_MAN = mandoc
# For check-arm64 on another machine; these stay out of every other target.
PACKAGES_ARM64 = gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static \
    $(addsuffix :arm64,check libmicrohttpd-dev libturbojpeg0-dev libpng-dev libexif-dev \
    libjansson-dev libinih-dev libsystemd-dev zlib1g-dev)
PACKAGES_NODE = nodejs npm
PACKAGES_WEB = nodejs chromium
PACKAGES_PROMETHEUS = prometheus python3
PACKAGES_ARMHF = gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
# What `make models` learns from beside models/mnist.
PACKAGES_MODELS = dataset-fashion-mnist

# ---- Settings ------------------------------------------------------------------------------------

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
LISTEN ?= 127.0.0.1:8080
FUZZ_SECONDS ?= 20
CROSS ?=
BLAS ?= $(if $(CROSS),,1)# the forge multiplies with OpenBLAS; BLAS= builds it without

MACHINE := $(if $(CROSS),$(firstword $(subst -, ,$(CROSS))),$(shell uname -m))
BUILD ?= build$(if $(CROSS),/$(CROSS))
ifneq ($(CROSS),)
CC = $(CROSS)-gcc
CXX = $(CROSS)-g++
AR = $(CROSS)-ar
STRIP = $(CROSS)-strip
PKG_CONFIG = PKG_CONFIG_LIBDIR=/usr/lib/$(CROSS)/pkgconfig:/usr/share/pkgconfig pkg-config
else
PKG_CONFIG ?= pkg-config
STRIP ?= strip
endif
RUN = $(if $(CROSS),qemu-$(MACHINE)-static )

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wvla -Wundef -Werror
HARDENING = -D_FORTIFY_SOURCE=3 -fstack-protector-strong
# Contraction is off so that a multiply and an add round twice wherever the source says so.
CFLAGS ?= -O2 -g
# Nothing unwinds at run time: the tables for it are 45 KB of tnmd on x86-64 and 57 KB on ARM. What
# nothing calls goes, too.
LEAN = -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(CFLAGS) $(HARDENING) -fPIE -ffp-contract=off \
    -fno-math-errno -pthread $(LEAN) $(WARNINGS) $(SANITIZE)
ifeq ($(MACHINE),x86_64)
RELOCATIONS = -Wl,-z,pack-relative-relocs# 12 KB in 1; Debian 12's linker for ARM cannot
endif
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections -pthread $(RELOCATIONS) $(LDFLAGS) $(SANITIZE)

DAEMON_PACKAGES = libmicrohttpd gnutls jansson inih libsystemd zlib
PICTURE_PACKAGES = libturbojpeg libpng libexif
FORGE_PACKAGES = jansson zlib $(if $(BLAS),openblas)
flags = $$($(PKG_CONFIG) --cflags $1)
libs = $$($(PKG_CONFIG) --libs $1)

# ---- Files ---------------------------------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/%.o,$1)
CORE = $(call objects,$(wildcard core/*.c core/kernels/*.c))
ifeq ($(MACHINE),x86_64)
CORE += $(BUILD)/core/kernels/neon_avx2.o $(BUILD)/core/kernels/neon_blocks_avx2.o
endif
PICTURE = $(call objects,$(wildcard daemon/picture.c daemon/jpeg.c daemon/png.c \
    daemon/pnm.c daemon/exif.c))
DAEMON = $(call objects,$(wildcard daemon/*.c))
FORGE = $(call objects,$(wildcard models/*.c))
SUITES = $(patsubst tests/test_%.c,%,$(wildcard tests/test_*.c))
TESTS = $(call objects,$(filter-out tests/fuzz_% tests/bench% tests/make_%,$(wildcard tests/*.c)))
PROGRAMS = $(BUILD)/tnm $(BUILD)/tnmd

.PHONY: all bench-node check-prometheus run check check-run test-data check-arm64 check-armhf asan tsan fuzz bench lint install uninstall models \
    clean help packages check-haproxy check-kserve check-man check-web soak
.DEFAULT_GOAL = all
.DELETE_ON_ERROR:

##all: build tnm, tnmd and libtnm.a
all: $(PROGRAMS) $(BUILD)/libtnm.a

##run: install what is missing, build, and serve models/ on LISTEN (127.0.0.1:8080)
run: $(BUILD)/tnmd
	$(BUILD)/tnmd --listen $(LISTEN) --models models

##check: install what is missing, build, and run every test
check: check-run

check-run: $(BUILD)/check $(PROGRAMS) $(if $(CROSS),,$(BUILD)/cxx)
	$(if $(CROSS),,$(BUILD)/cxx tests/data/good/tiny.tnm)
	TNM_BUILD=$(BUILD) TNM_EMULATOR="$(RUN)" $(RUN)$(BUILD)/check

# ---- Packages ------------------------------------------------------------------------------------

# Goals that may install; the others only say what is missing.
INSTALLING = $(filter run check soak asan tsan fuzz bench lint models packages check-arm64 \
    check-armhf check-haproxy check-kserve check-man check-prometheus check-web \
    bench-node,$(MAKECMDGOALS))
ALL_PACKAGES = $(PACKAGES) $(PACKAGES_$(MACHINE)) $(if $(filter lint,$(MAKECMDGOALS)),$(PACKAGES_LINT)) \
    $(if $(filter fuzz,$(MAKECMDGOALS)),$(PACKAGES_FUZZ))

##packages: install the Debian packages that are missing
packages: $(BUILD)/packages

# A stamp that every object waits for. Made anew when the list changes.
$(BUILD)/packages: Makefile .ci/packages
	@mkdir -p $(@D)
	$(if $(CROSS),,.ci/packages $(if $(INSTALLING),--install) $(ALL_PACKAGES))
	@touch $@

# ---- Building ------------------------------------------------------------------------------------

$(BUILD)/%.o: %.c | $(BUILD)/packages
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EXTRA) $(if $(USES),$(call flags,$(USES))) -MMD -MP -c -o $@ $<

# The page, as one document that daemon/page.c holds.
$(BUILD)/page.html.gz: daemon/page/bundle $(wildcard daemon/page/*.html daemon/page/*.js daemon/page/*.css) | $(BUILD)/packages
	daemon/page/bundle $(BUILD)
$(BUILD)/daemon/page.o: $(BUILD)/page.html.gz
$(BUILD)/openapi.json.gz: daemon/openapi.json | $(BUILD)/packages
	gzip -9nc $< > $@
$(BUILD)/daemon/openapi.o: $(BUILD)/openapi.json.gz
$(addprefix $(BUILD)/daemon/,page.o openapi.o): EXTRA = -I$(BUILD) -Wa,-I$(BUILD)

# The NEON sources once more for x86-64 processors with AVX2 and FMA; picked at run time.
$(BUILD)/core/kernels/%_avx2.o: core/kernels/%.c | $(BUILD)/packages
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EXTRA) -mavx2 -mfma -DTNM_AVX2 -MMD -MP -c -o $@ $<

PIXELS = $(addprefix $(BUILD)/core/,prepare.o raster.o sheet.o)
UNPACKING = $(addprefix $(BUILD)/core/,checksum.o coder.o packed.o)
$(BUILD)/core/kernels/%.o $(PIXELS) $(UNPACKING): EXTRA = -O3
# Small rather than fast: tnmd is to stay under 400 KiB. A request takes as long as with -O2.
COLD = $(addprefix $(BUILD)/core/,file_graph.o file_meta.o model.o meta.o graph.o plan.o layout.o \
    matrix.o describe.o save.o snapshot.o error.o matrix_make.o)
$(COLD) $(DAEMON): EXTRA += -Os
$(DAEMON): USES = $(DAEMON_PACKAGES) $(PICTURE_PACKAGES)
$(FORGE): USES = $(FORGE_PACKAGES)
$(FORGE): EXTRA = -O3 $(if $(BLAS),-DFORGE_BLAS)
$(addprefix $(BUILD)/models/,gemm.o sparse.o): EXTRA += -ffp-contract=fast
$(TESTS): USES = check $(DAEMON_PACKAGES) $(PICTURE_PACKAGES) zlib
$(TESTS): EXTRA = -Wno-missing-prototypes -I$(BUILD)

$(BUILD)/libtnm.a: $(CORE)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tnmd: $(DAEMON) $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) $(NO_TLS) -o $@ $^ $(call libs,$(DAEMON_PACKAGES) $(PICTURE_PACKAGES)) -lm

$(BUILD)/tnm: $(FORGE) $(PICTURE) $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call libs,$(FORGE_PACKAGES) $(PICTURE_PACKAGES)) -lm

# What daemon/no_tls.c and refusal.c define must be seen by the libraries.
NO_TLS = $(addprefix -Wl$(comma)--export-dynamic-symbol=,_gnutls_global_init_skip gnutls_global_init \
    gnutls_global_deinit gnutls_handshake gnutls_record_send sendmsg)
comma = ,

# The test runner links everything but the two main functions.
$(BUILD)/check: $(TESTS) $(filter-out %/main.o,$(DAEMON) $(FORGE)) $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ \
	    $(call libs,check $(DAEMON_PACKAGES) $(PICTURE_PACKAGES) $(FORGE_PACKAGES)) -lm

# The public interface from C++; natively only, as a cross C++ compiler would be one package more.
$(BUILD)/cxx: tests/cxx.cc core/tnm.h $(BUILD)/libtnm.a
	$(CXX) -std=c++11 -pedantic -I. $(CFLAGS) -fPIE $(filter-out -Wmissing-prototypes,$(WARNINGS)) \
	    $(SANITIZE) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libtnm.a -lm

# One line a suite: tests/test_NAME.c holds Suite *NAME_suite(void).
$(BUILD)/suites.h: $(wildcard tests/test_*.c) | $(BUILD)/packages
	@mkdir -p $(@D)
	@for s in $(SUITES); do echo "SUITE($$s)"; done > $@
$(BUILD)/tests/main.o: $(BUILD)/suites.h

##test-data: write the sample files in tests/data anew
test-data: $(BUILD)/make_samples
	@mkdir -p tests/data/good tests/data/bad
	@rm -f tests/data/good/*.tnm tests/data/bad/*.tnm
	$(RUN)$(BUILD)/make_samples

$(BUILD)/make_samples: $(call objects,$(patsubst %,tests/%.c,make_samples bad bad_files files \
    plain_reader plain_stream plain_packed plain_coded plain_run)) $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

# ---- Other ways to check --------------------------------------------------------------------------

##check-arm64: the same tests, cross-built for 64-bit ARM, under qemu-user
check-arm64:
ifeq ($(MACHINE),aarch64)
	$(MAKE) check
else
	.ci/packages --install --architecture arm64 $(PACKAGES_ARM64)
	$(MAKE) CROSS=aarch64-linux-gnu check-run
endif

##check-armhf: compile core for 32-bit ARM, with and without NEON
check-armhf:
	.ci/packages --install $(PACKAGES_ARMHF)
	$(MAKE) CROSS=arm-linux-gnueabihf build/arm-linux-gnueabihf/libtnm.a
	$(MAKE) CROSS=arm-linux-gnueabihf BUILD=build/arm-linux-gnueabihf-neon \
	    CFLAGS="-O2 -g -mfpu=neon-vfpv4" build/arm-linux-gnueabihf-neon/libtnm.a

##check-prometheus: conf/ for Prometheus and Grafana against a real Prometheus that scrapes tnmd
check-prometheus: $(BUILD)/tnmd
	.ci/packages --install $(PACKAGES_PROMETHEUS)
	TNM_BUILD=$(BUILD) tests/prometheus.py

##check-web: the page in a real browser, by mouse, finger and keyboard
check-web: $(BUILD)/tnmd
	.ci/packages --install $(PACKAGES_WEB)
	command -v npm || .ci/packages --install npm
	cd tests/web && npm ci --ignore-scripts --no-audit --no-fund
	TNM_BUILD=$(BUILD) node --test --test-reporter=spec tests/web/*.test.js

##check-haproxy: several daemons behind a real HAProxy, as conf/haproxy.cfg has it
check-haproxy: $(BUILD)/fleet $(BUILD)/tnmd
	.ci/packages --install $(PACKAGES_HAPROXY)
	TNM_BUILD=$(BUILD) $(BUILD)/fleet

FLEET = $(call objects,$(wildcard tests/fleet/*.c))
$(FLEET): USES = check jansson
$(BUILD)/fleet: $(FLEET) $(call objects,$(patsubst %,tests/%.c,client daemon_run load made scratch secure)) \
    $(BUILD)/daemon/no_tls.o $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call libs,check jansson gnutls) -lm

##soak: swaps, restarts and vanishing clients under load, for some minutes
soak: $(BUILD)/soak $(BUILD)/tnmd
	TNM_BUILD=$(BUILD) $(BUILD)/soak

SOAK = $(call objects,$(wildcard tests/soak/*.c))
$(SOAK): USES = check jansson
$(BUILD)/soak: $(SOAK) $(call objects,$(patsubst %,tests/%.c,client daemon_run handed load made scratch secure uploading)) \
    $(BUILD)/daemon/no_tls.o $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call libs,check jansson gnutls) -lm

##check-kserve: conf/kserve.yaml and conf/Dockerfile, as far as that goes without a cluster
check-kserve: $(BUILD)/tnmd
	.ci/packages --install $(PACKAGES_KSERVE)
	TNM_BUILD=$(BUILD) tests/kserve.py

##asan: every test under the address and undefined behaviour sanitizers
asan: $(BUILD)/packages
	$(MAKE) BUILD=$(BUILD)/asan HARDENING= CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" check-run

##tsan: every test under the thread sanitizer
tsan: $(BUILD)/packages
	$(MAKE) BUILD=$(BUILD)/tsan HARDENING= CFLAGS="-O1 -g" SANITIZE=-fsanitize=thread check-run

##fuzz: each fuzz target for FUZZ_SECONDS
fuzz: $(patsubst tests/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz_*.c))
	@for f in $^; do mkdir -p $$f.corpus && \
	    $$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=3000 -print_final_stats=0 -verbosity=0 \
	        $$f.corpus tests/data/good || exit 1; done

FUZZ_CC = clang -std=c11 -D_GNU_SOURCE -I. -O1 -g -ffp-contract=off \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_TWINS = $(if $(filter x86_64,$(MACHINE)),$(BUILD)/fuzz/neon_avx2.o $(BUILD)/fuzz/neon_blocks_avx2.o)
$(BUILD)/fuzz/%_avx2.o: core/kernels/%.c | $(BUILD)/packages
	@mkdir -p $(@D)
	$(FUZZ_CC) -mavx2 -mfma -DTNM_AVX2 -c -o $@ $<

$(BUILD)/fuzz/%: tests/%.c $(FUZZ_TWINS) $(wildcard core/*.c core/kernels/*.c daemon/*.c) \
    $(BUILD)/page.html.gz $(BUILD)/openapi.json.gz | $(BUILD)/packages
	@mkdir -p $(@D)
	$(FUZZ_CC) -I$(BUILD) -Wa,-I$(BUILD) -o $@ \
	    $(filter-out daemon/main.c,$(filter %.c %.o,$^)) -pthread \
	    $(call flags,$(DAEMON_PACKAGES) $(PICTURE_PACKAGES)) \
	    $(call libs,$(DAEMON_PACKAGES) $(PICTURE_PACKAGES)) -lm

##bench: timings, each as a ratio against something in the same run
bench: $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/bench*.c)) $(PROGRAMS)
	@for b in $(filter $(BUILD)/bench%,$^); do TNM_BUILD=$(BUILD) $$b || exit 1; done

##bench-node: the HTTP timings once more, with Node and onnxruntime doing the same job beside
bench-node: $(BUILD)/bench_http $(PROGRAMS)
	.ci/packages --install $(PACKAGES_NODE)
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund
	TNM_BUILD=$(BUILD) TNM_NODE=1 $<

$(BUILD)/bench%: $(BUILD)/tests/bench%.o $(BUILD)/libtnm.a
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libtnm.a $(call libs,check $(DAEMON_PACKAGES) $(PICTURE_PACKAGES) \
	    zlib $(if $(BLAS),openblas)) -lm
$(BUILD)/bench_photo: $(BUILD)/tests/photo.o $(PICTURE)
$(BUILD)/bench_compare: $(addprefix $(BUILD)/tests/,client.o secure.o scratch.o daemon_run.o photo.o pictures.o) \
    $(BUILD)/daemon/no_tls.o
$(BUILD)/bench_engine: $(BUILD)/tests/nets.o $(BUILD)/tests/random.o
$(BUILD)/tests/bench%.o: USES = $(DAEMON_PACKAGES) $(PICTURE_PACKAGES) $(if $(BLAS),openblas)
$(BUILD)/tests/bench%.o: EXTRA = -O2 $(if $(BLAS),-DBENCH_BLAS)

##lint: layering, headers, formatting, cppcheck
lint: $(BUILD)/packages
	.ci/lint

# ---- Manual pages and completion ----------------------------------------------------------------

PAGES = $(addprefix $(BUILD)/man/,tnm.1 tnmd.conf.5 tnmd.8)
$(PAGES) &: systemd/pages models/tnm.1.in daemon/tnmd.conf.5.in daemon/tnmd.8 conf/tnmd.conf $(BUILD)/tnm
	systemd/pages $(BUILD)/man $(VERSION) $(RUN)$(BUILD)/tnm

##check-man: the manual pages, by mandoc
check-man: $(PAGES)
	.ci/packages --install $(PACKAGES_MAN)
	mandoc -Tlint -Wwarning $(PAGES)

# ---- Installing -----------------------------------------------------------------------------------

VERSION = $(shell sed -n 's/^\#define TNM_VERSION "\(.*\)"/\1/p' core/tnm.h)
UNITDIR ?= $(or $(shell pkg-config --variable=systemdsystemunitdir systemd 2>/dev/null),/lib/systemd/system)
# What the sources say of paths, made true.
place = sed -e 's|/usr/local|$(PREFIX)|g' -e 's|/etc/tnmd|$(SYSCONFDIR)/tnmd|g' $1 > $2 && chmod 644 $2

# For the software around it.
EXAMPLES = $(filter-out conf/tnmd.conf conf/completion.bash conf/Dockerfile conf/tnm-alerts-test.yml,$(wildcard conf/*))

##install: put programs, library, models, settings and units under $(DESTDIR)$(PREFIX)
install: $(PROGRAMS) $(BUILD)/libtnm.a $(PAGES)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include share/tnm/models share/doc/tnm \
	    share/man/man1 share/man/man5 share/man/man8 share/bash-completion/completions) $(DESTDIR)$(SYSCONFDIR)/tnmd $(DESTDIR)$(UNITDIR)
	install -s --strip-program=$(STRIP) $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/libtnm.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 core/tnm.h $(DESTDIR)$(PREFIX)/include
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' core/tnm.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tnm.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/tnm.pc
	set -- models/*.tnm; [ ! -e "$$1" ] || install -m 644 "$$@" $(DESTDIR)$(PREFIX)/share/tnm/models
	install -m 644 $(EXAMPLES) core/FORMAT.md daemon/API.md $(DESTDIR)$(PREFIX)/share/doc/tnm
	for page in $(PAGES); do $(call place,"$$page","$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}"); done
	for name in tnm tnmd; do \
	    install -m 644 conf/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name; done
	[ -e $(DESTDIR)$(SYSCONFDIR)/tnmd/tnmd.conf ] || \
	    { $(call place,conf/tnmd.conf,$(DESTDIR)$(SYSCONFDIR)/tnmd/tnmd.conf); }
	$(call place,systemd/tnmd.service,$(DESTDIR)$(UNITDIR)/tnmd.service)
	install -m 644 systemd/tnmd.socket $(DESTDIR)$(UNITDIR)

##uninstall: remove what install put there, but for the settings and models of others
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/tnm bin/tnmd lib/libtnm.a lib/pkgconfig/tnm.pc include/tnm.h) \
	    $(addprefix $(DESTDIR)$(PREFIX)/share/tnm/,$(wildcard models/*.tnm)) \
	    $(addprefix $(DESTDIR)$(UNITDIR)/,tnmd.service tnmd.socket) \
	    $(addprefix $(DESTDIR)$(PREFIX)/share/man/,man1/tnm.1 man5/tnmd.conf.5 man8/tnmd.8) \
	    $(addprefix $(DESTDIR)$(PREFIX)/share/bash-completion/completions/,tnm tnmd)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/tnm
	-rmdir $(DESTDIR)$(PREFIX)/share/tnm/models $(DESTDIR)$(PREFIX)/share/tnm

# ---- The rest -------------------------------------------------------------------------------------

##models: rebuild the published models, and models/RESULTS.md; takes an hour or two
models: $(BUILD)/tnm
	.ci/packages --install $(PACKAGES_MODELS)
	models/recipes/build $(BUILD)

##models/NAME.tnm: rebuild one of them by models/recipes/NAME.sh
$(patsubst models/recipes/%.sh,models/%.tnm,$(wildcard models/recipes/*.sh)): $(BUILD)/tnm FORCE
	$(if $(findstring fashion,$@),.ci/packages --install $(PACKAGES_MODELS))
	models/recipes/build $(BUILD) $(basename $(notdir $@))

##models/RESULTS.md: write it anew from the models that are there and what was logged
models/RESULTS.md: $(BUILD)/tnm FORCE
	.ci/packages --install $(PACKAGES_MODELS)
	models/recipes/results $(BUILD)
FORCE:

##clean: remove everything built
clean:
	rm -rf build

##help: this list
help:
	@sed -n 's/^##\([A-Za-z0-9/.-]*\): /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
