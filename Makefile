# SPDX-License-Identifier: MIT
# numaperf. `make help` lists the targets; CONTRIBUTING.md says how the parts fit together.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

ifeq ($(origin CC),default)
CC := gcc
endif
OBJCOPY ?= objcopy
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
INCDIR  ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR  ?= $(DATADIR)/man
V       ?= 0
BPF     ?= 1
WERROR  ?= 0

# Another compiler or a sanitizer is another flavour and gets a folder of its own, so that switching
# back and forth rebuilds nothing and never mixes objects.
comma   := ,
empty   :=
space   := $(empty) $(empty)
flavour := $(subst $(space),-,$(strip $(filter-out gcc,$(notdir $(firstword $(CC)))) \
		$(subst $(comma),-,$(SAN)) $(if $(filter 0,$(BPF)),nobpf)))
O       ?= build$(if $(flavour),/flavour/$(flavour))
# One folder has one name, however it is said: by it objects know the headers that they were made with.
override O := $(patsubst $(CURDIR)/%,%,$(abspath $(O)))

# The public headers hold the version; everything else asks them.
version_part = $(shell sed -n 's/^\#define NUMAPERF_VERSION_$1[ \t]*\([0-9]*\).*/\1/p' \
		lib/include/numaperf/base.h 2>/dev/null)
VERSION      = $(call version_part,MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)

CFLAGS   ?= -g $(if $(SAN),-O1,-O2)
warnings := -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	    -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Wimplicit-fallthrough
hardened := -fstack-protector-strong -fstack-clash-protection \
	    $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# gcc's flow analysis loses its way in instrumented code, hence the exception.
sanitize := $(if $(SAN),-DNP_SANITIZE -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer \
	    -Wno-maybe-uninitialized)
c_flags   = -std=gnu11 -pthread -fPIC -fvisibility=hidden -D_GNU_SOURCE -Ilib/include $(warnings) \
	    $(hardened) $(sanitize) $(if $(filter 1,$(WERROR)),-Werror) $(CPPFLAGS) $(CFLAGS)
ld_flags  = -pthread $(sanitize) -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS)

Q   := $(if $(filter 1,$(V)),,@)
msg  = $(if $(filter 1,$(V)),@:,@printf '  %-8s%s\n' '$1' '$(patsubst $(O)/%,%,$2)')
# A recursive make inherits the job server; a bare `make check` uses the whole machine.
jobs = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
self = $(MAKE) --no-print-directory

programs :=	# what `all` builds beside the library
objects  :=	# every object, for the dependency files
include $(wildcard */build.mk)

all: $(lib_outputs) $(programs) ## the library, the tools and the examples (default)

demo: ## install what the build needs, build, run 100 tasks on this machine
	@tests/deps.sh install build $(if $(filter 0,$(BPF)),,bpf)
	@$(self) $(jobs) all
	@$(O)/bin/numaperf demo

format: ## rewrite the C files in the project's style
	$(Q)clang-format-14 -i $(c_files)

clean: ## remove the output folder, flavours included
	$(Q)rm -rf $(O)

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile */build.mk | \
		awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'
	@echo
	@echo '  V=1 shows the commands        O=DIR moves the output      WERROR=1 makes warnings errors'
	@echo '  BPF=0 builds without clang, bpftool and libbpf: what the kernel does is then only sampled'
	@echo '  CC=clang, SAN=address,undefined or SAN=thread build a flavour in build/flavour/'
	@echo '  install heeds DESTDIR, PREFIX ($(PREFIX)), BINDIR, LIBDIR, INCDIR, DATADIR, MANDIR'

c_files = $(shell find bpf lib/include lib/src tools tests -name '*.[ch]' 2>/dev/null | sort)

# The command line is a dependency: its file changes only when its text does.
remember = @mkdir -p $(@D); printf '%s\n' '$1' | cmp -s - $@ || printf '%s\n' '$1' >$@
$(O)/flags: FORCE
	$(call remember,$(CC) $(c_flags) $(ld_flags))

# Missing packages are named once for each folder, before the first compiler call.
$(O)/deps.%: tests/deps.sh
	@CC='$(CC)' tests/deps.sh need $*
	@mkdir -p $(@D); touch $@

$(O)/obj/%.o: %.c $(O)/flags Makefile | $(O)/deps.build
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(c_flags) $(c_flags_$(firstword $(subst /, ,$*))) -MMD -MP -c -o $@ $<

-include $(objects:.o=.d)

.PHONY: all demo format clean help FORCE
.SECONDARY:
