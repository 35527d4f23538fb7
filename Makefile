# sealpost.  `make help` lists the targets.
#
# Everything that is built goes below $(BUILD).  The sanitizer builds use the same rules with another BUILD
# and SANITIZE, so that a test never links objects of another kind.

# The one place that names the version is the newest entry of this changelog.
DEBIAN_CHANGELOG := deploy/packaging/debian/changelog
VERSION := $(shell sed -n '1s/^sealpost (\(.*\)).*/\1/p' $(DEBIAN_CHANGELOG))
BUILD ?= build
SANITIZE ?=
PREFIX ?= /usr/local
DESTDIR ?=
# Where the tests keep their temporary directories: a local disk, so that a sync is a real one.
TMPDIR ?= /tmp

CXX := g++
CPPFLAGS += -Isrc -Iinclude -DSEALPOST_VERSION='"$(VERSION)"'
# A designated initializer may leave members out: they keep their defaults.
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wno-missing-field-initializers -Werror
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
LINK_HARDENING := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(SANITIZE),)
  CXXFLAGS ?= -O2 -g
  CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
  # The programs for the host are static: nothing can be installed there, and they start faster.  The linker warns
  # of parts of OpenSSL and libfcgi that sealpost never calls (engines, TCP).  Relocations are packed and unused
  # functions left out, because a host's disk and page cache are small.
  STATIC ?= -static-pie -Wl,-z,pack-relative-relocs -Wl,--no-warnings
  SECTIONS := -ffunction-sections -fdata-sections
  LINK_SECTIONS := -Wl,--gc-sections
else
  CXXFLAGS ?= -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
  LDFLAGS += -fsanitize=$(SANITIZE)
  WARNINGS += -Wno-error  # g++ warns wrongly of code that it has instrumented
endif
# The directory of a build must not change its bytes, neither by its name nor by a symbolic link.
COMPILE = $(CXX) -std=c++20 $(CPPFLAGS) $(WARNINGS) $(HARDENING) $(SECTIONS) $(CXXFLAGS) $(FOR_SIZE) \
  -ffile-prefix-map=$(CURDIR)=. -pthread -MMD -MP
LINK = $(CXX) $(CXXFLAGS) $(LDFLAGS) $(LINK_HARDENING) $(LINK_SECTIONS) -pthread
unexport PWD

# --- What is built of what -----------------------------------------------------------------------

LAYERS := base crypto protocol delivery store gateway server admin client
SOURCES := $(wildcard src/*/*.cc src/cmd/*/*.cc)
HEADERS := $(wildcard src/*/*.h src/cmd/*/*.h include/sealpost/*.h tests/*/*.h)
TEST_SOURCES := $(wildcard tests/*/*.cc)

# One archive per layer; a program takes from each only what it uses.
# Only what other programs link against lies in $(BUILD)/lib: a libcrypto.a there would hide OpenSSL's.
archive = $(BUILD)/obj/$(1).a
objects = $(patsubst %.cc,$(BUILD)/obj/%.o,$(sort $(wildcard $(1))))

PROGRAMS := $(addprefix $(BUILD)/bin/,sealpost.fcgi sealpost sealpost-client)
SERVER_LAYERS := gateway store delivery protocol crypto base
CLIENT_LAYERS := client protocol crypto base

all: $(PROGRAMS) $(BUILD)/lib/libsealpost-client.a  ## build the three programs and the client library

$(BUILD)/bin/sealpost.fcgi: $(call objects,src/cmd/*.cc src/cmd/sealpost.fcgi/*.cc) \
    $(foreach layer,server $(SERVER_LAYERS),$(call archive,$(layer)))
$(BUILD)/bin/sealpost.fcgi: LIBS := $(STATIC) -lfcgi -lSQLiteCpp -lsqlite3 -lcrypto

$(BUILD)/bin/sealpost: $(call objects,src/cmd/*.cc src/cmd/sealpost/*.cc) \
    $(foreach layer,admin $(SERVER_LAYERS),$(call archive,$(layer)))
$(BUILD)/bin/sealpost: LIBS := $(STATIC) -lSQLiteCpp -lsqlite3 -lcrypto

$(BUILD)/bin/sealpost-client: $(call objects,src/cmd/*.cc src/cmd/sealpost-client/*.cc) \
    $(foreach layer,$(CLIENT_LAYERS),$(call archive,$(layer)))
$(BUILD)/bin/sealpost-client: LIBS := -lcurl -lcrypto

$(PROGRAMS):
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(LINK) -o $@ $^ $(LIBS)

define layer_rule
$(call archive,$(1)): $(call objects,src/$(1)/*.cc)
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcsD $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call layer_rule,$(layer))))
$(call archive,store): $(BUILD)/obj/sql.o

# What another program links against: the client layer and all below it, in one archive.
$(BUILD)/lib/libsealpost-client.a: $(foreach layer,$(CLIENT_LAYERS),$(call objects,src/$(layer)/*.cc))
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcsD $@ $^

$(BUILD)/obj/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  compile $<"
	@$(COMPILE) -c -o $@ $<

# Code that no message runs through on its way to the inbox is compiled for size: command lines, JSON files,
# Boost.Beast.
ifeq ($(SANITIZE),)
$(BUILD)/obj/src/cmd/%.o: FOR_SIZE := -Os
$(addprefix $(BUILD)/obj/src/,$(addsuffix .o,delivery/http_handler admin/diagnose store/home \
  protocol/credential store/issuance_log store/backup)): FOR_SIZE := -Os
endif

# The migrations, embedded: an array of the scripts in sql/, in the order of their numbers.
MIGRATIONS := $(sort $(wildcard sql/[0-9]*.sql))
$(BUILD)/obj/sql.cc: $(MIGRATIONS) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "store/schema.h"'; \
	   echo 'namespace sealpost {'; \
	   echo 'const std::vector<std::string_view>& migrations() {'; \
	   echo '  static const std::vector<std::string_view> kScripts = {'; \
	   for script in $(MIGRATIONS); do echo 'R"sql('; cat $$script; echo ')sql",'; done; \
	   echo '  };'; echo '  return kScripts;'; echo '}'; echo '}'; } > $@
$(BUILD)/obj/sql.o: $(BUILD)/obj/sql.cc
	@echo "  compile $<"
	@$(COMPILE) -c -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# --- Tests ---------------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst tests/unit/%.cc,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.cc))
GATEWAY_TESTS := $(patsubst tests/gateway/%.cc,$(BUILD)/tests/gateway/%,$(wildcard tests/gateway/*_test.cc))
CRASH_TESTS := $(patsubst tests/crash/%.cc,$(BUILD)/tests/crash/%,$(wildcard tests/crash/*_test.cc))
TEST_LIBS := -lboost_unit_test_framework -lfcgi -lcurl -lSQLiteCpp -lsqlite3 -lcrypto

$(BUILD)/obj/tests/%.o: CPPFLAGS += -Itests -DBOOST_TEST_DYN_LINK
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(call objects,tests/support/*.cc) \
    $(foreach layer,server client admin $(SERVER_LAYERS),$(call archive,$(layer)))
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(TEST_LIBS)
.SECONDARY:

# These link a disk that fails, or that claims to be a network's.  No other test may.
$(BUILD)/tests/crash/faults_test: $(call objects,$(addprefix tests/crash/,fault_vfs.cc faulty_disk.cc network_disk.cc \
  fault_scenario.cc fault_scenario_steps.cc))
$(BUILD)/tests/crash/full_disk_test: $(call objects,tests/crash/network_disk.cc)

# A gateway that a test can kill at certain points (src/base/fault_point.h).  Only for tests.
FAULTY := $(BUILD)/tests/faulty/sealpost.fcgi
$(BUILD)/obj/faulty/%.o: CPPFLAGS += -DSEALPOST_FAULT_POINTS
$(BUILD)/obj/faulty/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  compile $< with fault points"
	@$(COMPILE) -c -o $@ $<
$(FAULTY): LIBS := -lfcgi -lSQLiteCpp -lsqlite3 -lcrypto
$(FAULTY): $(BUILD)/obj/faulty/src/gateway/commit.o \
    $(BUILD)/obj/faulty/src/gateway/pending_delivery.o $(BUILD)/obj/faulty/src/cmd/sealpost.fcgi/main.o \
    $(call objects,src/cmd/*.cc) \
    $(foreach layer,server $(SERVER_LAYERS),$(call archive,$(layer)))
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(LINK) -o $@ $^ $(LIBS)

# Not a test itself: `build/tests/wycheproof DIRECTORY` runs a copy of Project Wycheproof's vectors.
WYCHEPROOF := $(BUILD)/tests/wycheproof
$(WYCHEPROOF): $(BUILD)/obj/tests/trust/wycheproof.o $(call archive,crypto) $(call archive,base)
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(LINK) -o $@ $^ -lcrypto

tests: all $(UNIT_TESTS) $(GATEWAY_TESTS) $(CRASH_TESTS) $(FAULTY) $(WYCHEPROOF)

vectors: $(BUILD)/tests/vectors/print_vectors  ## write sealpost's own test vectors again
	$< > tests/vectors/sealpost_v1.json

deps:
	@tests/tools/install-deps build check

test:  ## build and run the unit tests; installs nothing
	@$(MAKE) --no-print-directory -j$$(nproc) all $(UNIT_TESTS)
	@TMPDIR=$(TMPDIR) tests/run $(BUILD) $(notdir $(UNIT_TESTS))

check: deps  ## install what is needed, build, and run every test
	@$(MAKE) --no-print-directory -j$$(nproc) tests $(if $(SANITIZE),,$(TARBALL))
	@TMPDIR=$(TMPDIR) SANITIZE=$(SANITIZE) tests/run $(BUILD)

demo: deps  ## install what is needed, then show sealpost at work and under attack
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@tests/demo/demo $(BUILD)/bin

asan:  ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory check BUILD=build/asan SANITIZE=address,undefined

tsan:  ## the tests with threads under ThreadSanitizer
	@$(MAKE) --no-print-directory check BUILD=build/tsan SANITIZE=thread

model:  ## check the protocol's promises on a model of it, and that each rule is needed, with Spin
	@tests/tools/install-deps model
	@TMPDIR=$(TMPDIR) tests/model/run

proof:  ## prove the protocol's promises with ProVerif, which PROVERIF names
	@tests/proof/run

include tests/fuzz/rules.mk

mutants: deps  ## break one rule at a time: the tests must notice
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@TMPDIR=$(TMPDIR) BUILD=$(BUILD) tests/mutants/run

timing: deps  ## compare how long rejections of unauthenticated clients take
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BUILD)/tests/trust/timing
	@TMPDIR=$(TMPDIR) SEALPOST_BIN=$(BUILD)/bin $(BUILD)/tests/trust/timing

# How long `make trust` runs, about.  Fuzzers and mutants get the time that the other parts leave.
MINUTES ?= 10
trust: deps  ## all the evidence of SECURITY.md, for MINUTES (10) once all is built
	@tests/tools/install-deps fuzz model
	@$(MAKE) --no-print-directory -j$$(nproc) tests fuzzers $(BUILD)/tests/trust/timing
	@TMPDIR=$(TMPDIR) MINUTES=$(MINUTES) tests/trust/run $(BUILD)


# --- Packages ------------------------------------------------------------------------------------

PACKAGING := deploy/packaging
DIST := sealpost-$(VERSION)-$(shell $(CXX) -dumpmachine | cut -d- -f1)
TARBALL := $(BUILD)/dist/$(DIST).tar.gz
# The time stamp of packed files is the version's, so that every build gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell date +%s -d "$$(sed -n 's/^ -- .*>  //p' $(DEBIAN_CHANGELOG) | head -n 1)")
export SOURCE_DATE_EPOCH

dist:  ## a tarball for a host, with static programs: build/dist
	@tests/tools/install-deps build
	@$(MAKE) --no-print-directory -j$$(nproc) $(TARBALL)

$(TARBALL): $(PROGRAMS) README.md CHANGELOG.md SECURITY.md LICENSE src/protocol/PROTOCOL.md Makefile \
    $(shell find htaccess deploy -type f)
	@echo "  pack    $@"
	@$(PACKAGING)/dist $(BUILD)/bin $(DIST) $(@D)

reproducible:  ## build the tarball twice, in two folders, and compare the bytes
	@$(PACKAGING)/reproduce $(BUILD)/reproducible

deb:  ## Debian packages: build/deb
	@tests/tools/install-deps build deb
	@$(PACKAGING)/deb $(BUILD)/deb

deb-check: deb  ## lintian; and, as root, install, upgrade and purge them in a fresh Debian
	@$(PACKAGING)/deb-check $(BUILD)/deb

# --- Benchmark -----------------------------------------------------------------------------------

# Each is linked like the gateway, so that only their work is compared.
BENCH_PROGRAMS := $(addprefix $(BUILD)/bench/bin/,ceiling empty seal hello web_application)
bench_objects = $(addprefix $(BUILD)/obj/tests/bench/,$(addsuffix .o,$(1)))

$(BUILD)/bench/bin/ceiling: $(call bench_objects,ceiling)
$(BUILD)/bench/bin/ceiling: LIBS := $(STATIC) -lfcgi
$(BUILD)/bench/bin/hello: $(call bench_objects,hello)
$(BUILD)/bench/bin/hello: LIBS := $(STATIC)
$(BUILD)/bench/bin/web_application: $(call bench_objects,web_application)
$(BUILD)/bench/bin/web_application: LIBS := $(STATIC)
$(BUILD)/bench/bin/empty: $(call bench_objects,empty) $(call objects,src/cmd/*.cc src/cmd/sealpost.fcgi/*.cc) \
    $(foreach layer,server $(SERVER_LAYERS),$(call archive,$(layer)))
$(BUILD)/bench/bin/empty: LIBS := $(STATIC) -lfcgi -lSQLiteCpp -lsqlite3 -lcrypto
$(BUILD)/bench/bin/seal: $(call bench_objects,seal bench_clients) \
    $(foreach layer,$(SERVER_LAYERS),$(call archive,$(layer)))
$(BUILD)/bench/bin/seal: LIBS := $(STATIC) -lSQLiteCpp -lsqlite3 -lcrypto

$(BENCH_PROGRAMS):
	@mkdir -p $(@D)
	@echo "  link    $@"
	@$(LINK) -o $@ $^ $(LIBS)

bench-programs: all $(BENCH_PROGRAMS)

bench: deps  ## compare it with an empty FastCGI program and a PHP script: a table, in 10 minutes
	@tests/tools/install-deps bench
	@$(MAKE) --no-print-directory -j$$(nproc) bench-programs
	@tests/bench/bench $(BUILD)

bench-small: deps  ## the same in one minute, for CI: fails if sealpost has become slow
	@tests/tools/install-deps bench
	@$(MAKE) --no-print-directory -j$$(nproc) bench-programs
	@tests/bench/bench $(BUILD) --small

# --- The code ------------------------------------------------------------------------------------

# For editors and clangd.
compile_commands.json: export COMPILE_COMMAND = $(COMPILE) -Itests -DBOOST_TEST_DYN_LINK
compile_commands.json: Makefile $(SOURCES) $(TEST_SOURCES)  ## the compiler's command lines, for editors
	@tests/tools/compile-commands $(SOURCES) $(TEST_SOURCES) > $@

layers:  ## check that includes point down only, and that each library is named in one directory
	@tests/tools/layers

format:  ## format all C++ as .clang-format says
	@tests/tools/install-deps lint
	clang-format -i $(SOURCES) $(HEADERS) $(TEST_SOURCES)

lint: deps  ## clang-format, clang-tidy, shellcheck, man pages, words and Markdown; changes nothing
	@tests/tools/install-deps lint
	tests/tools/words
	clang-format --dry-run --Werror $(SOURCES) $(HEADERS) $(TEST_SOURCES)
	shellcheck $(SCRIPTS)
	mandoc -T lint -W warning $(MANUALS)
	@for page in $(MANUALS); do LC_ALL=C.UTF-8 man --warnings -Tutf8 -Z -l "$$page" 2>&1 >/dev/null; done | \
	  { ! grep .; }
	@$(MAKE) --no-print-directory -j$$(nproc) $(addprefix tidy/,$(SOURCES) $(TEST_SOURCES))

SCRIPTS := $(addprefix tests/tools/,install-deps layers) deploy/examples/spool.sh deploy/nginx/start-sealpost \
  htaccess/sealpost-wrapper tests/run tests/demo/demo .ci/run \
  $(addprefix tests/,mutants/run fuzz/run trust/run) \
  $(addprefix $(PACKAGING)/,dist reproduce deb deb-check) tests/packaging/client_library tests/packaging/tarball tests/packaging/readme_commands \
  $(wildcard deploy/completion/*)
tidy/%: %
	@clang-tidy --quiet --warnings-as-errors='*' $< -- -std=c++20 $(CPPFLAGS) -Itests \
	  -DBOOST_TEST_DYN_LINK 2>&1 | grep -v 'warnings generated' | sed '/^$$/d'; \
	  test $${PIPESTATUS[0]} -eq 0

# --- Installing ----------------------------------------------------------------------------------

# A package's build says INSTALL="install --strip-program=true" and strips the programs itself.
INSTALL ?= install
MANUALS := $(wildcard deploy/man/*)
SHARE = $(DESTDIR)$(PREFIX)/share
COMPLETIONS = $(SHARE)/bash-completion/completions

install: all  ## copy programs, man pages, client library and the files for web servers below PREFIX (and DESTDIR)
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/cgi-bin $(DESTDIR)$(PREFIX)/include/sealpost \
	  $(DESTDIR)$(PREFIX)/lib/pkgconfig $(SHARE)/sealpost/deploy $(SHARE)/man/man1 $(SHARE)/man/man7 $(SHARE)/man/man8 $(COMPLETIONS)
	$(INSTALL) -s -m 755 $(BUILD)/bin/sealpost $(BUILD)/bin/sealpost-client $(DESTDIR)$(PREFIX)/bin
	$(INSTALL) -s -m 755 $(BUILD)/bin/sealpost.fcgi $(DESTDIR)$(PREFIX)/lib/cgi-bin
	$(INSTALL) -m 644 $(BUILD)/lib/libsealpost-client.a $(DESTDIR)$(PREFIX)/lib
	strip --strip-debug --enable-deterministic-archives $(DESTDIR)$(PREFIX)/lib/libsealpost-client.a
	$(INSTALL) -m 644 include/sealpost/*.h $(DESTDIR)$(PREFIX)/include/sealpost
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' $(PACKAGING)/sealpost-client.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/sealpost-client.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/sealpost-client.pc
	cp -r htaccess $(SHARE)/sealpost
	cp -r deploy/nginx deploy/lighttpd deploy/systemd $(SHARE)/sealpost/deploy
	chmod -R u=rwX,go=rX $(SHARE)/sealpost
	for page in $(MANUALS); do $(INSTALL) -m 644 $$page $(SHARE)/man/man$${page##*.} || exit 1; done
	$(INSTALL) -m 644 deploy/completion/* $(COMPLETIONS)

uninstall:  ## remove what install copied
	rm -f $(DESTDIR)$(PREFIX)/bin/sealpost $(DESTDIR)$(PREFIX)/bin/sealpost-client \
	  $(DESTDIR)$(PREFIX)/lib/cgi-bin/sealpost.fcgi $(DESTDIR)$(PREFIX)/lib/libsealpost-client.a \
	  $(DESTDIR)$(PREFIX)/lib/pkgconfig/sealpost-client.pc \
	  $(foreach page,$(MANUALS),$(SHARE)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
	  $(addprefix $(COMPLETIONS)/,$(notdir $(wildcard deploy/completion/*)))
	rm -rf $(DESTDIR)$(PREFIX)/include/sealpost $(SHARE)/sealpost

clean:  ## remove all that was built
	rm -rf build compile_commands.json

help:  ## list the targets
	@sed -n 's/^\([a-z_.-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: all test tests vectors deps check dist reproducible deb deb-check demo asan tsan model mutants proof timing trust bench-programs bench bench-small layers format lint install uninstall clean help
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
SHELL := /bin/bash
