# The fuzzers: one program for each tests/fuzz/*_fuzz.cc, which `make fuzz` builds and runs.
#
# libFuzzer comes with clang, so all they are made of is compiled once more, below build/fuzz, under
# AddressSanitizer and UndefinedBehaviorSanitizer.

FUZZ_BUILD := build/fuzz
FUZZ_CXX ?= clang++-14
# Of each fuzzer, once its corpus was replayed.
FUZZ_SECONDS ?= 20

FUZZ_FLAGS := -std=c++20 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -pthread
FUZZ_COMPILE = $(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -Isrc -Iinclude \
  -Itests -DSEALPOST_VERSION='"$(VERSION)"' -Wall -Wextra -Wshadow -Wno-missing-field-initializers \
  -Werror -MMD -MP
FUZZ_LINK = $(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined

fuzz_objects = $(patsubst %.cc,$(FUZZ_BUILD)/obj/%.o,$(sort $(wildcard $(1))))
FUZZERS := $(patsubst tests/fuzz/%_fuzz.cc,$(FUZZ_BUILD)/%,$(wildcard tests/fuzz/*_fuzz.cc))
FUZZ_SUPPORT := $(addprefix $(FUZZ_BUILD)/obj/tests/support/,gateway_fixture.o peer.o fastcgi_peer.o) \
  $(filter-out %_fuzz.o,$(call fuzz_objects,tests/fuzz/*.cc))
FUZZ_ARCHIVE := $(FUZZ_BUILD)/libsealpost.a

$(FUZZ_BUILD)/obj/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  compile $< for fuzzing"
	@$(FUZZ_COMPILE) -c -o $@ $<
$(FUZZ_BUILD)/obj/sql.o: $(BUILD)/obj/sql.cc
	@mkdir -p $(@D)
	@$(FUZZ_COMPILE) -c -o $@ $<

$(FUZZ_ARCHIVE): $(foreach layer,server client $(SERVER_LAYERS),$(call fuzz_objects,src/$(layer)/*.cc)) \
    $(FUZZ_BUILD)/obj/sql.o $(FUZZ_SUPPORT)
	@rm -f $@
	@ar rcsD $@ $^

$(FUZZERS): $(FUZZ_BUILD)/%: $(FUZZ_BUILD)/obj/tests/fuzz/%_fuzz.o $(FUZZ_ARCHIVE)
	@echo "  link    $@"
	@$(FUZZ_LINK) -o $@ $^ -lfcgi -lcurl -lSQLiteCpp -lsqlite3 -lcrypto

-include $(shell find $(FUZZ_BUILD)/obj -name '*.d' 2>/dev/null)

fuzzers: $(FUZZERS)

fuzz:  ## replay the fuzzers' corpora, and fuzz each parser and the gateway for FUZZ_SECONDS (20)
	@tests/tools/install-deps build fuzz
	@$(MAKE) --no-print-directory -j$$(nproc) fuzzers
	@TMPDIR=$(TMPDIR) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_BUILD) $(FUZZ)

.PHONY: fuzzers fuzz
