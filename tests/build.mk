# Unit tests (linked with the library's objects, so that they reach its inside), the programs that
# run in guests (linked with the library as a user would), and what `make check` runs.
UNIT_TESTS  := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_COMMON := $(patsubst %.c,$(O)/obj/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
VM_PROGS    := $(patsubst tests/vm/progs/%.c,%,$(sort $(wildcard tests/vm/progs/*.c)))
TEST_OBJS   := $(UNIT_TESTS:%=$(O)/obj/tests/unit/%.o) $(UNIT_COMMON) \
	       $(VM_PROGS:%=$(O)/obj/tests/vm/progs/%.o)

UNIT_TARGETS := $(UNIT_TESTS:%=$(O)/tests/unit/%)
VM_TARGETS   := $(VM_PROGS:%=$(O)/tests/vm/%)

.PHONY: unit-tests vm-programs
unit-tests: $(UNIT_TARGETS)
vm-programs: $(VM_TARGETS)

$(O)/tests/unit/%: $(O)/obj/tests/unit/%.o $(UNIT_COMMON) $(LIB_OBJS)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NP_LDFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIB_LIBS)

$(O)/tests/vm/%: $(O)/obj/tests/vm/progs/%.o $(LIB_SO)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NP_LDFLAGS) $(LDFLAGS) '-Wl,-rpath,$$ORIGIN/../../lib' -o $@ $< \
		-L$(O)/lib -lnumaperf

# Every suite of tests/manifest, through one runner: see tests/check.sh.
RUN = O='$(abspath $(O))' MAKE='$(MAKE)' tests/check.sh
check:
	$(Q)tests/deps.sh install build test vm
	$(Q)$(RUN) all
check-long:
	$(Q)tests/deps.sh install build test vm
	$(Q)$(RUN) all long
check-unit:
	$(Q)$(RUN) unit
check-vm:
	$(Q)$(RUN) vm
lint:
	$(Q)$(RUN) lint
bench:
	$(Q)tests/deps.sh install build bench
	$(Q)$(RUN) bench
