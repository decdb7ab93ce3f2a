# SPDX-License-Identifier: MIT
# The BPF programs: an object a question, linked into one, and that as a header (the skeleton).

BPF_CLANG   ?= clang
BPFTOOL     ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
bpf_arch    := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
bpf_objects := $(patsubst %.c,$(O)/obj/%.o,$(wildcard bpf/*.bpf.c))
skeleton    := $(O)/obj/bpf/numaperf.skel.h
# -mcpu=v3: atomics with results and 32-bit jumps (Linux 5.12)
bpf_flags   := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(bpf_arch) -Ivmlinux -Ibpf -Wall -Wextra \
	       -Wno-sign-compare -Wno-unused-parameter -Wno-unused-function -Wno-missing-declarations \
	       $(if $(filter 1,$(WERROR)),-Werror)

$(O)/bpf.flags: FORCE
	$(call remember,$(BPF_CLANG) $(bpf_flags))

# static: the rule for C files would match as well
$(bpf_objects): $(O)/obj/%.o: %.c $(wildcard bpf/*.h vmlinux/*.h) $(O)/bpf.flags | $(O)/deps.bpf
	$(call msg,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(bpf_flags) -c -o $@ $<

# what is defined comes before what refers to it: bpftool 7.1 loses relocations otherwise
$(O)/obj/bpf/numaperf.o: $(bpf_objects)
	$(call msg,BPFLD,$@)
	$(Q)$(BPFTOOL) gen object $@ $(O)/obj/bpf/maps.bpf.o $(filter-out %/maps.bpf.o,$^)

$(skeleton): $(O)/obj/bpf/numaperf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name numaperf_bpf >$@

ifneq ($(BPF),0)
$(O)/obj/lib/src/hook.o: $(skeleton)
$(O)/obj/lib/src/hook.o: private c_flags += -isystem $(O)/obj/bpf
endif
