# SPDX-License-Identifier: MIT
# The tools: public headers only, and linked against the static library, which shows nothing else.

tool_libs     := -ljansson -ldl -lm
top_libs      := -lncursesw -ltinfo -lzstd -lmicrohttpd -ldw -ldl -lm
tools         := $(O)/bin/numaperf $(O)/bin/numaperf-top
tools_sources := $(filter-out tools/top%,$(wildcard tools/*.c))
tools_objects := $(patsubst %.c,$(O)/obj/%.o,$(tools_sources))
# the screen: its own files, and what finds out what processes promise
top_objects   := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tools/top*.c) tools/tool.c tools/hold.c tools/promise.c tools/numa_line.c)
objects       += $(sort $(tools_objects) $(top_objects))
programs      += $(tools)

$(O)/obj/tools.list: FORCE
	$(call remember,$(tools_objects) $(top_objects))

$(O)/bin/numaperf: $(tools_objects) $(O)/lib/libnumaperf.a $(O)/obj/tools.list
	$(call msg,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(tools_objects) $(O)/lib/libnumaperf.a $(ld_flags) $(tool_libs) $(lib_libs)

$(O)/bin/numaperf-top: $(top_objects) $(O)/lib/libnumaperf.a $(O)/obj/tools.list
	$(call msg,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(top_objects) $(O)/lib/libnumaperf.a $(ld_flags) $(top_libs) $(tool_libs) $(lib_libs)

# For the tests: everything but the main functions.
$(O)/obj/libtools.a: $(sort $(tools_objects) $(top_objects)) $(O)/obj/tools.list
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter-out %/numaperf.o %/top.o %/top_view.o,$(sort $(tools_objects) $(top_objects)))

# Where the shells and systemd look below a prefix; the dashboard is for Grafana's import.
install: install-tools
install-tools: all
	$(Q)for tool in $(tools); do install -D -m 755 -t $(DESTDIR)$(BINDIR) $$tool || exit 1; done
	$(Q)install -D -m 644 tools/numaperf-top.bash \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/numaperf-top
	$(Q)install -D -m 644 -t $(DESTDIR)$(DATADIR)/zsh/site-functions tools/_numaperf-top
	$(Q)install -D -m 644 -t $(DESTDIR)$(DATADIR)/numaperf tools/grafana.json
	$(Q)install -d $(DESTDIR)$(LIBDIR)/systemd/system
	$(Q)sed 's|/usr/local/bin|$(BINDIR)|' tools/numaperf-top.service \
		>$(DESTDIR)$(LIBDIR)/systemd/system/numaperf-top.service

.PHONY: install-tools
