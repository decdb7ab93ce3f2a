# SPDX-License-Identifier: MIT
# numaperf: `make help` lists the targets. Parts stand in */build.mk.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION := 0.1.0
SOVERSION := 0

# --- what a user may set ---
comma  := ,
SAN    ?=
WERROR ?= 0
V      ?= 0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
ifeq ($(origin CC),default)
CC := gcc
endif
O ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

CFLAGS ?= -O2 -g
NP_CFLAGS := -std=gnu11 -D_GNU_SOURCE -pthread -fPIC -fvisibility=hidden -Wall -Wextra -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wpointer-arith -Wwrite-strings \
	-Wformat=2 -Wno-format-nonliteral -fno-omit-frame-pointer -fstack-protector-strong \
	-Ilib/include $(if $(filter 1,$(WERROR)),-Werror)
NP_LDFLAGS := -pthread -Wl,-z,relro,-z,now
ifneq ($(SAN),)
NP_CFLAGS  += -fsanitize=$(SAN) -fno-sanitize-recover=all -DNP_SANITIZE
NP_LDFLAGS += -fsanitize=$(SAN)
else
NP_CFLAGS  += $(if $(findstring -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif

# --- quiet unless V=1 ---
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-8s %s\n' $(1) '$(2)')

include lib/build.mk
include tools/build.mk
include tests/build.mk

.PHONY: all demo check check-unit check-vm check-long lint format bench install clean help FORCE
all: $(LIB_TARGETS) $(TOOL_TARGETS) $(EXAMPLE_TARGETS)

demo:
	$(Q)tests/deps.sh install build
	$(Q)$(MAKE) all
	$(Q)$(O)/bin/numaperf demo

# Every compiled file depends on the flags it was compiled with, and on the packages being there.
$(O)/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(CC) $(NP_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
		printf '%s\n' '$(CC) $(NP_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' >$@

$(O)/deps: tests/deps.sh
	$(Q)mkdir -p $(@D)
	$(Q)CC='$(CC)' tests/deps.sh need build
	$(Q)touch $@

$(O)/obj/%.o: %.c $(O)/flags | $(O)/deps
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NP_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.o,%.d,$(filter %.o,$(LIB_OBJS) $(TOOL_OBJS) $(EXAMPLE_OBJS) $(TEST_OBJS)))

install: all
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include/numaperf \
		$(DESTDIR)$(PREFIX)/bin $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 3 7)
	$(Q)install -m 644 lib/include/numaperf.h $(DESTDIR)$(PREFIX)/include/
	$(Q)install -m 644 lib/include/numaperf/*.h $(DESTDIR)$(PREFIX)/include/numaperf/
	$(Q)install -m 644 $(O)/lib/libnumaperf.a $(DESTDIR)$(LIBDIR)/
	$(Q)install -m 755 $(O)/lib/libnumaperf.so.$(VERSION) $(DESTDIR)$(LIBDIR)/
	$(Q)ln -sf libnumaperf.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libnumaperf.so.$(SOVERSION)
	$(Q)ln -sf libnumaperf.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libnumaperf.so
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		lib/numaperf.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/numaperf.pc
	$(Q)install -m 755 $(TOOL_TARGETS) $(DESTDIR)$(PREFIX)/bin/
	$(Q)for page in lib/man/*.[0-9]; do \
		install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/ || exit 1; done

format:
	$(Q)clang-format-14 -i $$(find lib tools tests -name '*.[ch]')

clean:
	$(Q)rm -rf $(O)

help:
	@echo 'make               build the library, the tools and the examples (installs nothing)'
	@echo 'make demo          install what is missing (apt), build, run the worker pool'
	@echo 'make check         install what is missing (apt), run every test, VMs included'
	@echo 'make check-unit    the unit tests only'
	@echo 'make check-vm      the guests only'
	@echo 'make check-long    everything, with the long runs'
	@echo 'make lint          layers, headers, symbols, format'
	@echo 'make format        clang-format in place'
	@echo 'make bench         figures, beside their peers'
	@echo 'make install       DESTDIR= PREFIX= LIBDIR='
	@echo 'make clean         remove the output folder'
	@echo
	@echo 'V=1 shows the commands, O=DIR is the output folder, WERROR=1 makes warnings errors,'
	@echo 'SAN=address,undefined or SAN=thread builds with sanitizers, CC=clang another compiler'
