# The library, static and shared, and its examples.
LIB_OBJS     := $(patsubst %.c,$(O)/obj/%.o,$(sort $(wildcard lib/src/*.c)))
EXAMPLES     := $(patsubst lib/examples/%.c,%,$(sort $(wildcard lib/examples/*.c)))
EXAMPLE_OBJS := $(EXAMPLES:%=$(O)/obj/lib/examples/%.o)
LIB_LIBS     := -lnuma

LIB_SO          := $(O)/lib/libnumaperf.so
LIB_A           := $(O)/lib/libnumaperf.a
LIB_TARGETS     := $(LIB_A) $(LIB_SO)
EXAMPLE_TARGETS := $(EXAMPLES:%=$(O)/examples/%)

$(LIB_A): $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LIB_SO).$(VERSION): $(LIB_OBJS) lib/libnumaperf.map
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NP_LDFLAGS) $(LDFLAGS) -shared -Wl,-soname,libnumaperf.so.$(SOVERSION) \
		-Wl,--version-script=lib/libnumaperf.map -Wl,-z,nodelete $(if $(SAN),,-Wl,-z,defs) \
		-o $@ $(LIB_OBJS) $(LIB_LIBS)

$(LIB_SO): $(LIB_SO).$(VERSION)
	$(Q)ln -sf libnumaperf.so.$(VERSION) $(LIB_SO).$(SOVERSION)
	$(Q)ln -sf libnumaperf.so.$(SOVERSION) $@
	$(Q)touch -h $@

# $ORIGIN, so that the programs run from the build folder wherever it is
$(O)/examples/%: $(O)/obj/lib/examples/%.o $(LIB_SO)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NP_LDFLAGS) $(LDFLAGS) '-Wl,-rpath,$$ORIGIN/../lib' -o $@ $< -L$(O)/lib -lnumaperf
