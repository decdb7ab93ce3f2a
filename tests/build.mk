# SPDX-License-Identifier: MIT
# Test programs: one a file. They see the library's inside, so that the seam can be reached.

c_flags_tests := -Ilib/src -Itools -Itests/unit
test_libs     := -lcmocka $(tool_libs) $(lib_libs) -lm

# tests/<folder>/*.c becomes $(O)/tests/<folder>/*; in unit/ the files without test_ help the others.
unit_helpers  := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
test_sources  := $(wildcard tests/unit/test_*.c tests/fault/*.c tests/vm/progs/*.c)
bench_sources := $(wildcard tests/bench/*.c)
unit_tests    := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
test_programs := $(patsubst %.c,$(O)/%,$(subst vm/progs/,vm/,$(test_sources)))
benches       := $(patsubst %.c,$(O)/%,$(bench_sources))
helper_objs   := $(patsubst %.c,$(O)/obj/%.o,$(unit_helpers))
objects       += $(patsubst %.c,$(O)/obj/%.o,$(test_sources) $(bench_sources) $(unit_helpers))

link_test = $(Q)mkdir -p $(@D) && $(CC) -o $@ $^ $(ld_flags) $(test_libs)
test_deps = $(helper_objs) $(O)/obj/libtools.a $(O)/obj/libinternal.a | $(O)/deps.test

$(O)/tests/vm/%: $(O)/obj/tests/vm/progs/%.o $(test_deps)
	$(call msg,LD,$@)
	$(link_test)

$(O)/tests/%: $(O)/obj/tests/%.o $(test_deps)
	$(call msg,LD,$@)
	$(link_test)

$(O)/obj/tests/%.o: | $(O)/deps.test

tests: $(test_programs) ## the test programs, without running them

check-unit: tests ## the unit tests in the default build
	$(Q)for t in $(unit_tests); do $$t || exit 1; done

.PHONY: tests check-unit
