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
bench_sources := $(filter-out tests/bench/pool_%,$(wildcard tests/bench/*.c))
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
$(O)/tests/bench/topology $(O)/tests/bench/region: private test_libs += -lhwloc

# The pools: each peer that is installed gets a program, compiled and linked at one go.
has        = $(shell pkg-config --exists $1 2>/dev/null && echo $2)
pools     := numaperf bare $(call has,tbb,tbb) $(call has,glib-2.0,glib) $(call has,libuv,uv) gomp \
	     $(if $(shell printf '\#include <omp.h>\n' | clang -fopenmp -E - >/dev/null 2>&1 && echo yes),libomp)
pool_bins := $(patsubst %,$(O)/tests/bench/pool_%,$(pools))
pool_cc    = $(Q)mkdir -p $(@D) && $1 $2 -O2 -g -pthread -D_GNU_SOURCE -Wall -Wextra -Ilib/include -o $@
pool_head := tests/bench/pool.h tests/bench/pool_fj.h
$(O)/tests/bench/pool_numaperf: tests/bench/pool_numaperf.c $(pool_head) $(O)/lib/libnumaperf.a
	$(call msg,POOL,$@)
	$(call pool_cc,$(CC),-std=gnu11) $< $(O)/lib/libnumaperf.a $(lib_libs)
$(O)/tests/bench/pool_bare: tests/bench/pool_bare.c $(pool_head)
	$(call msg,POOL,$@)
	$(call pool_cc,$(CC),-std=gnu11) $<
$(O)/tests/bench/pool_gomp: tests/bench/pool_omp.c $(pool_head)
	$(call msg,POOL,$@)
	$(call pool_cc,gcc,-std=gnu11 -fopenmp) $<
$(O)/tests/bench/pool_libomp: tests/bench/pool_omp.c $(pool_head)
	$(call msg,POOL,$@)
	$(call pool_cc,clang,-std=gnu11 -fopenmp) $<
$(O)/tests/bench/pool_tbb: tests/bench/pool_tbb.cc $(pool_head)
	$(call msg,POOL,$@)
	$(call pool_cc,g++,-std=c++17) $< $$(pkg-config --cflags --libs tbb)
$(O)/tests/bench/pool_glib: tests/bench/pool_glib.c $(pool_head)
	$(call msg,POOL,$@)
	$(call pool_cc,$(CC),-std=gnu11) $< $$(pkg-config --cflags --libs glib-2.0)
$(O)/tests/bench/pool_uv: tests/bench/pool_uv.c $(pool_head)
	$(call msg,POOL,$@)
	$(call pool_cc,$(CC),-std=gnu11) $< $$(pkg-config --cflags --libs libuv)

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
	@$(self) $(jobs) all benches
	@O='$(abspath $(O))' tests/bench/run.sh

# a make of its own: which peers there are is looked up when it starts, and by then they are installed
benches: $(benches) $(pool_bins)

.PHONY: benches tests check check-long check-unit check-vm lint bench
