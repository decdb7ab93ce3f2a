# The tools. They see the public headers only.
TOOL_OBJS    := $(patsubst %.c,$(O)/obj/%.o,$(sort $(wildcard tools/numaperf.c tools/tool.c tools/cmd_*.c)))
TOOL_TARGETS := $(if $(TOOL_OBJS),$(O)/bin/numaperf)

$(O)/bin/numaperf: $(TOOL_OBJS) $(LIB_SO)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NP_LDFLAGS) $(LDFLAGS) '-Wl,-rpath,$$ORIGIN/../lib' -o $@ $(TOOL_OBJS) \
		-L$(O)/lib -lnumaperf -ljansson
