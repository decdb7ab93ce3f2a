# SPDX-License-Identifier: MIT
# The library: one set of objects, linked three ways.

SOVERSION   := 0
# BPF=0: no clang, bpftool or libbpf; the monitor is then a sampler, and says so.
bpf_only    := $(addprefix lib/src/,hook.c hook_ladder.c hook_probe.c)
lib_sources := $(filter-out $(if $(filter 0,$(BPF)),$(bpf_only),lib/src/hook_none.c),$(wildcard lib/src/*.c))
lib_objects := $(patsubst %.c,$(O)/obj/%.o,$(lib_sources))
lib_libs    := -lnuma -ljansson $(if $(filter 0,$(BPF)),,-lbpf -lelf -lz)
lib_real    := $(O)/lib/libnumaperf.so.$(SOVERSION)
lib_outputs := $(O)/lib/libnumaperf.a $(O)/lib/libnumaperf.so $(O)/lib/numaperf.pc
objects     += $(lib_objects)

examples    := $(patsubst lib/examples/%.c,$(O)/examples/%,$(wildcard lib/examples/*.c))
programs    += $(examples)
objects     += $(patsubst %.c,$(O)/obj/%.o,$(wildcard lib/examples/*.c))

# A removed source leaves no newer file behind, so the list of objects is a dependency as well.
$(O)/obj/lib.list: FORCE
	$(call remember,$(lib_objects))

# For the tests: every symbol within reach.
$(O)/obj/libinternal.a: $(lib_objects) $(O)/obj/lib.list
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(lib_objects)

# For users: one object that shows the public names only, as the shared library does.
$(O)/lib/libnumaperf.a: $(lib_objects) $(O)/obj/lib.list
	$(call msg,AR,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -r -nostdlib -o $(O)/obj/numaperf.o $(lib_objects)
	$(Q)$(OBJCOPY) --localize-hidden $(O)/obj/numaperf.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(O)/obj/numaperf.o

$(lib_real): $(lib_objects) $(O)/obj/lib.list lib/libnumaperf.map
	$(call msg,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -o $@ -Wl,-soname,$(@F),--version-script=lib/libnumaperf.map,-z,nodelete \
		$(if $(SAN),,-Wl$(comma)-z$(comma)defs) $(ld_flags) $(lib_objects) $(lib_libs)

$(O)/lib/libnumaperf.so: $(lib_real)
	$(Q)ln -sf $(<F) $@

# They compile without a warning of -Wall -Wextra; a string in a char * is their own business.
$(O)/obj/lib/examples/%.o: private c_flags += -Wno-write-strings

# Linked statically: an example can then be copied, given capabilities or run inside a guest.
$(O)/examples/%: $(O)/obj/lib/examples/%.o $(O)/lib/libnumaperf.a
	$(call msg,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ld_flags) $(lib_libs)

# Where a linker finds it; installed, and what the tests ask for the libraries behind it.
$(O)/lib/numaperf.pc: lib/numaperf.pc.in lib/include/numaperf/base.h $(O)/install.flags
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCDIR@|$(INCDIR)|' \
		-e 's|@VERSION@|$(VERSION)|; s|@LIBS@|$(strip $(lib_libs))|' $< >$@
$(O)/install.flags: FORCE
	$(call remember,$(PREFIX) $(LIBDIR) $(INCDIR) $(lib_libs))

install: all ## install the library, headers, tools and man pages below $(DESTDIR)$(PREFIX)
	$(Q)install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCDIR)/numaperf
	$(Q)install -m 644 $(O)/lib/libnumaperf.a $(DESTDIR)$(LIBDIR)/
	$(Q)install -m 755 $(lib_real) $(DESTDIR)$(LIBDIR)/libnumaperf.so.$(VERSION)
	$(Q)ln -sf libnumaperf.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(notdir $(lib_real))
	$(Q)ln -sf $(notdir $(lib_real)) $(DESTDIR)$(LIBDIR)/libnumaperf.so
	$(Q)install -m 644 lib/include/numaperf.h $(DESTDIR)$(INCDIR)/
	$(Q)install -m 644 lib/include/numaperf/*.h $(DESTDIR)$(INCDIR)/numaperf/
	$(Q)install -m 644 $(O)/lib/numaperf.pc $(DESTDIR)$(LIBDIR)/pkgconfig/
	$(Q)for page in $(wildcard lib/man/*.[1-8]); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done

.PHONY: install
