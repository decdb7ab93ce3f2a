# SPDX-License-Identifier: MIT
# The tools: public headers only, and linked against the static library, which shows nothing else.

tool_libs     := -ljansson
tools         := $(patsubst tools/%.c,$(O)/bin/%,$(wildcard tools/numaperf.c))
tools_sources := $(filter-out tools/top%,$(wildcard tools/*.c))
tools_objects := $(patsubst %.c,$(O)/obj/%.o,$(tools_sources))
objects       += $(tools_objects)
programs      += $(tools)

$(O)/obj/tools.list: FORCE
	$(call remember,$(tools_objects))

$(O)/bin/numaperf: $(tools_objects) $(O)/lib/libnumaperf.a $(O)/obj/tools.list
	$(call msg,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(tools_objects) $(O)/lib/libnumaperf.a $(ld_flags) $(tool_libs) $(lib_libs)

# For the tests: everything but the main functions.
$(O)/obj/libtools.a: $(tools_objects) $(O)/obj/tools.list
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter-out $(O)/obj/tools/numaperf.o,$(tools_objects))
