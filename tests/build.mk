# SPDX-License-Identifier: MIT
# Test programs: one a file. They see the library's inside, so that the seam can be reached.

c_flags_tests := -Ilib/src -Itools -Itests/unit
test_libs      = -lcmocka $(tool_libs) $(top_libs) $(lib_libs) -lm

# tests/<folder>/*.c becomes $(O)/tests/<folder>/*; in unit/ the files without test_ help the others.
unit_helpers  := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
test_sources  := $(wildcard tests/unit/test_*.c tests/fault/*.c tests/vm/progs/*.c)
# what needs clang and libbpf
bpf_tests     := $(if $(filter 0,$(BPF)),,$(filter-out %.bpf.c,$(wildcard tests/bpf/*.c)))
test_sources  += $(bpf_tests)
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

# The programs' bodies behind raw tracepoints: one object, which includes their sources.
twins := $(O)/obj/tests/bpf/twins
$(twins).bpf.o: tests/bpf/twins.bpf.c tests/bpf/twins.h $(wildcard bpf/*.[ch] vmlinux/*.h) $(O)/bpf.flags \
		| $(O)/deps.bpf
	$(call msg,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(bpf_flags) -c -o $@ $<
$(twins).skel.h: $(twins).bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name np_twins >$@
$(O)/obj/tests/bpf/test_bodies.o: $(twins).skel.h
$(O)/obj/tests/bpf/test_bodies.o: private c_flags += -isystem $(O)/obj/tests/bpf

# effort loads the programs as they are shipped
$(O)/obj/tests/bpf/effort.o: $(skeleton)
$(O)/obj/tests/bpf/effort.o: private c_flags += -isystem $(O)/obj/bpf

# peers
$(O)/tests/bench/topology: private test_libs += -lhwloc
$(O)/tests/bench/executor: private ld_flags += -fopenmp
$(O)/obj/tests/bench/executor.o: private c_flags += -fopenmp

tests: $(test_programs) ## the test programs, without running them

# Every row of tests/manifest through one runner; its last line counts them all.
run_check = @O='$(abspath $(O))' MAKE='$(MAKE)' tests/check.sh

check: ## install what the tests need, then run every one of them, guests included
	@tests/deps.sh install build $(if $(filter 0,$(BPF)),,bpf) test vm
	$(run_check) all

check-long: ## check, and what takes longer than a commit should wait for
	@tests/deps.sh install build $(if $(filter 0,$(BPF)),,bpf) test vm
	$(run_check) all long

check-unit: ## the unit tests, plain and under the sanitizers
	$(run_check) unit

check-vm: ## the cases that run in guests (QEMU, kernels 6.1 and 6.12)
	$(run_check) vm

lint: all tests ## layers, headers, exported symbols, format, manifest
	$(run_check) lint

bench: ## the library beside its peers, in one run
	@tests/deps.sh install build $(if $(filter 0,$(BPF)),,bpf) test bench
	@$(self) $(jobs) all $(benches)
	@O='$(abspath $(O))' tests/bench/run.sh

.PHONY: tests check check-long check-unit check-vm lint bench
