#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds vmlinux.h and the hooks of lib/src/hook_ladder.c against the BTF of a kernel.

	vmlinux/check.py [--root DIR] [-v] KERNEL

KERNEL is a BTF file (/sys/kernel/btf/vmlinux), a vmlinux, or a vmlinuz for x86 (gzip, xz, zstd). Each type
and field of vmlinux.h must be there and be of a compatible type, each function and tracepoint of a program
must be there and have the arguments that the program takes; what need not be so on every kernel stands in
vmlinux/variations. Status 0: all fits; 1: something does not; 2: it could not be looked at. Needs clang.
"""
import argparse
import lzma
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, \
    DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(1, 20)
NAMES = {INT: 'integer', PTR: 'pointer', ARRAY: 'array', STRUCT: 'struct', UNION: 'union', ENUM: 'enum',
         FWD: 'struct', FUNC_PROTO: 'function', FLOAT: 'float', ENUM64: 'enum'}


class Trouble(Exception):
    pass


# ---- reading: Documentation/bpf/btf.rst, Documentation/arch/x86/boot.rst ----

def elf_section(data, wanted):
    if data[4] != 2 or data[5] != 1:
        raise Trouble('not a little-endian 64-bit ELF file')
    at, = struct.unpack_from('<Q', data, 0x28)
    size, count, names = struct.unpack_from('<HHH', data, 0x3a)
    headers = [struct.unpack_from('<IIQQQQ', data, at + i * size) for i in range(count)]
    for name, _, _, _, start, length in headers:
        name += headers[names][4]
        if data[name:data.index(b'\0', name)].decode() == wanted:
            return data[start:start + length]
    raise Trouble('no section ' + wanted)


def unpack(image):
    """The vmlinux inside a bzImage (boot protocol 2.08 and later)."""
    offset, length = struct.unpack_from('<II', image, 0x248)
    start = ((image[0x1f1] or 4) + 1) * 512 + offset
    packed = image[start:start + length]
    if packed[:3] == b'\x1f\x8b\x08':
        return zlib.decompressobj(31).decompress(packed)
    if packed[:6] == b'\xfd7zXZ\0':
        return lzma.LZMADecompressor().decompress(packed)
    if packed[:4] == b'\x28\xb5\x2f\xfd':
        # the length of what comes out stands behind it (scripts/Makefile.lib: size_append)
        return subprocess.run(['zstd', '-dcq'], input=packed[:-4], stdout=subprocess.PIPE, check=True).stdout
    raise Trouble('packed in a way that is not known here')


def read_btf(path):
    with open(path, 'rb') as f:
        data = f.read()
    if data[:2] == b'\x9f\xeb':
        return Btf(data)
    if data[:4] != b'\x7fELF':
        if data[0x202:0x206] != b'HdrS':
            raise Trouble('neither BTF nor a kernel')
        data = unpack(data)
    return Btf(elf_section(data, '.BTF'))


class Type:
    __slots__ = ('kind', 'name', 'size', 'rows')

    def __init__(self, kind, name, size, rows):
        self.kind, self.name, self.size, self.rows = kind, name, size, rows


class Btf:
    """types[id]; size is the type referred to for kinds that refer to one."""

    def __init__(self, data):
        if struct.unpack_from('<H', data, 0)[0] != 0xeb9f:
            raise Trouble('not BTF')
        hdr, type_off, type_len, str_off, str_len = struct.unpack_from('<IIIII', data, 4)
        strings = data[hdr + str_off:hdr + str_off + str_len]
        self.types = [Type(0, '', 0, [])]
        self.by_name = {}

        def text(at):
            return strings[at:strings.index(b'\0', at)].decode()
        at, end = hdr + type_off, hdr + type_off + type_len
        row = {ARRAY: ('<III', 0), STRUCT: ('<III', 1), UNION: ('<III', 1), ENUM: ('<Ii', 1), INT: ('<I', 0),
               FUNC_PROTO: ('<II', 1), VAR: ('<I', 0), DATASEC: ('<III', 1), DECL_TAG: ('<i', 0),
               ENUM64: ('<III', 1)}
        while at < end:
            name, info, size = struct.unpack_from('<III', data, at)
            at += 12
            kind, n = info >> 24 & 31, info & 0xffff
            rows = []
            if kind in row:
                form, many = row[kind]
                for _ in range(n if many else 1):
                    rows.append(struct.unpack_from(form, data, at))
                    at += struct.calcsize(form)
            if kind in (STRUCT, UNION, ENUM, FUNC_PROTO):
                rows = [(text(r[0]),) + r[1:] for r in rows]
            elif kind == ENUM64:
                rows = [(text(r[0]), r[1] | r[2] << 32) for r in rows]
            name = text(name)
            # a function's own kind, so that a struct of its name does not hide it
            self.by_name.setdefault((kind, name), len(self.types))
            self.types.append(Type(kind, name, size, rows))

    def strip(self, type_id):
        """Without names, const and the like."""
        while self.types[type_id].kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG):
            type_id = self.types[type_id].size
        return type_id

    def find(self, name, *kinds):
        for kind in kinds:
            if (kind, name) in self.by_name:
                return self.by_name[kind, name]
        return 0

    def field(self, type_id, name):
        """The type of a field, also of one inside an anonymous struct; None: it has no such field."""
        for n, t, _ in self.types[type_id].rows:
            if n == name:
                return t
            if not n and self.types[self.strip(t)].kind in (STRUCT, UNION):
                inside = self.field(self.strip(t), name)
                if inside is not None:
                    return inside
        return None

    def say(self, type_id):
        t = self.types[self.strip(type_id)]
        if t.kind == 0:
            return 'void'
        if t.kind == PTR:
            return self.say(t.size) + ' *'
        if t.kind == INT:
            return 'integer of %d' % t.size
        if t.kind == ARRAY:
            return '%s[%d]' % (self.say(t.rows[0][0]), t.rows[0][2])
        return (NAMES.get(t.kind, '?') + ' ' + t.name).strip()


def plain(name):
    """A name without its flavour."""
    return re.sub(r'___.*', '', name)


def differ(ours, a, theirs, b, deep=True):
    """Why what `a` is read as cannot be read from `b`; None: it can. Stricter than CO-RE, which takes integers
    of any size: what is copied to a variable of ours would be too much or too little."""
    a, b = ours.strip(a), theirs.strip(b)
    s, t = ours.types[a], theirs.types[b]
    no = '%s, and is %s there' % (ours.say(a), theirs.say(b))
    if {s.kind, t.kind} <= {INT, ENUM, ENUM64}:
        return None if s.size == t.size else no
    if {s.kind, t.kind} <= {STRUCT, FWD} or s.kind == t.kind == UNION:
        # what is anonymous there has its name from a typedef; fields are looked at for themselves
        return None if not t.name or not s.name or plain(s.name) == t.name else no
    if s.kind != t.kind:
        return no
    if s.kind == ARRAY:
        (what, _, n), (that, _, m) = s.rows[0], t.rows[0]
        # [1] stands for any length
        return no if n > 1 and n != m or differ(ours, what, theirs, that) else None
    if s.kind == PTR and deep:
        what, that = ours.strip(s.size), theirs.strip(t.size)
        if 0 in (what, that):
            return None if what == 0 else no
        return differ(ours, what, theirs, that, False) and no
    return None


# ---- ours ----

def our_types(header):
    """vmlinux.h as BTF, and the names of what it defines. A compiler only tells of types that are used."""
    with open(header) as f:
        text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
    records = re.findall(r'^(struct|union|enum) (\w+) \{', text, re.M)
    typedefs = re.findall(r'^\} (\w+);', text, re.M) + re.findall(r'^typedef struct \w+ (\w+);', text, re.M)
    constants = {n: int(v) for body in re.findall(r'^enum \{([^}]*)\}', text, re.M)
                 for n, v in re.findall(r'(\w+)\s*=\s*(\d+)', body)}
    used = ''.join('%s %s v%d;\n' % (*r, i) for i, r in enumerate(records))
    used += ''.join('%s t%d;\n' % (t, i) for i, t in enumerate(typedefs))
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, 'o')
        p = subprocess.run([os.environ.get('BPF_CLANG') or 'clang', '-target', 'bpf', '-g', '-O0', '-x', 'c', '-c',
                            '-o', out, '-'], input='#include "%s"\n%s' % (os.path.abspath(header), used), text=True)
        if p.returncode:
            raise Trouble('vmlinux.h does not compile')
        with open(out, 'rb') as f:
            btf = Btf(elf_section(f.read(), '.BTF'))
    return btf, records, typedefs, constants


def our_programs(root):
    """name: (section, has, lacks, arguments) of each program of the ladder."""
    with open(os.path.join(root, 'lib/src/hook_ladder.c')) as f:
        text = f.read()
    with open(os.path.join(root, 'lib/src/hook_ladder.h')) as f:
        count = len(set(re.findall(r'^\tNP_PROG_(\w+),', f.read(), re.M)) - {'COUNT'})
    programs = {}
    for entry in re.findall(r'\[NP_PROG_\w+\]\s*=\s*\{(.*?)\}', text, re.S):
        name, section = re.findall(r'"(\w+)",\s*"([\w/]+)"', entry)[0]
        programs[name] = [section, *((re.findall(r'\.%s\s*=\s*"(\w+)"' % w, entry) or [None])[0]
                                     for w in ('has', 'lacks')), None]
    if len(programs) != count:
        raise Trouble('hook_ladder.c: %d programs found, %d in its enum' % (len(programs), count))
    folder = os.path.join(root, 'bpf')
    for source in sorted(os.listdir(folder)):
        if not source.endswith('.bpf.c'):
            continue
        with open(os.path.join(folder, source)) as f:
            found = re.findall(r'SEC\("\??([^"]*)"\)\s*int BPF_PROG\((\w+)(.*?)\)\s*\{', f.read(), re.S)
        for section, name, arguments in found:
            if name not in programs:
                raise Trouble('%s: %s is not in hook_ladder.c' % (source, name))
            if programs[name][0] != section:
                raise Trouble('%s: %s hangs on %s, and on %s by hook_ladder.c' %
                              (source, name, section, programs[name][0]))
            programs[name][3] = [' '.join(a.split()) for a in arguments.split(',')[1:]]
    for name, p in programs.items():
        if p[3] is None:
            raise Trouble('hook_ladder.c: %s is in no file of bpf/' % name)
    return programs


INTEGERS = {'bool': 1, 'char': 1, 'short': 2, 'int': 4, 'unsigned int': 4, 'long': 8, 'unsigned long': 8,
            'unsigned long long': 8, **{p + s + n: int(n) // 8 for p in ('__', '') for s in 'us'
                                        for n in ('8', '16', '32', '64')}}


def argument_differs(declared, theirs, b):
    """The same for an argument, of which we have the text."""
    b = theirs.strip(b)
    t = theirs.types[b]
    no = '%s, and is %s there' % (declared, theirs.say(b))
    what = re.sub(r'\w+$', '', declared).replace('const ', '').strip()
    if not what.endswith('*'):
        if what not in INTEGERS:
            raise Trouble('an argument of a type that is not known here: ' + declared)
        return None if t.kind in (INT, ENUM, ENUM64) and t.size == INTEGERS[what] else no
    if t.kind != PTR:
        return no
    what = what[:-1].strip()
    that = theirs.types[theirs.strip(t.size)]
    if what == 'void':
        return None
    if what.startswith('struct '):
        # void * there: a number for the verifier, so it can only be probed, and a kernel that has it so loads it
        if theirs.strip(t.size) == 0:
            return None
        return None if that.kind in (STRUCT, FWD) and plain(what[7:]) == that.name else no
    return None if that.kind == INT and that.size == INTEGERS.get(what) else no


# ---- the comparison ----

ABSENT = 'is not there'


class Variations:
    """See the head of vmlinux/variations."""

    def __init__(self, path):
        self.absent, self.value, self.groups = set(), set(), []
        with open(path) as f:
            for line in f:
                words = re.sub('#.*', '', line).split()
                if not words:
                    continue
                if words[0] == 'absent' and len(words) == 2:
                    self.absent.add(words[1])
                elif words[0] == 'value' and len(words) == 2:
                    self.value.add(words[1])
                elif words[0] == 'one-of' and len(words) > 2:
                    self.groups.append(words[1:])
                else:
                    raise Trouble('variations: ' + line.strip())
        self.alternatives = {w for g in self.groups for w in g}


class Check:
    def __init__(self, theirs, variations):
        self.theirs, self.variations = theirs, variations
        self.result = {}  # name: (word, text)

    def say(self, name, wrong, text=''):
        v, owners = self.variations, {name, name.split('.')[0]}
        excused = owners & v.alternatives or wrong == ABSENT and owners & v.absent
        self.result[name] = ('ok', text) if not wrong else ('absent' if excused else 'WRONG', wrong)

    def record(self, ours, kind, name):
        theirs = self.theirs
        mine = ours.find(name, STRUCT if kind == 'struct' else UNION)
        that = theirs.find(plain(name), STRUCT, UNION)
        self.say(name, None if that else ABSENT, kind)
        if that:
            self.fields(ours, name, mine, that)

    def fields(self, ours, name, mine, that):
        for field, a, _ in ours.types[mine].rows:
            b = self.theirs.field(that, field)
            path = name + '.' + field
            wrong = ABSENT if b is None else differ(ours, a, self.theirs, b)
            self.say(path, wrong and (wrong if b is None else 'is read as ' + wrong), ours.say(a))

    def enum(self, ours, name):
        that = self.theirs.find(plain(name), ENUM, ENUM64)
        self.say(name, None if that else ABSENT, 'enum')
        values = dict(self.theirs.types[that].rows)
        if that:
            self.constants({n: v for n, v in ours.types[ours.find(name, ENUM, ENUM64)].rows}, values, name + '.')

    def constants(self, want, values, prefix=''):
        for n, v in want.items():
            got = values.get(plain(n))
            wrong = ABSENT if got is None else None
            if got is not None and got != v and prefix + n not in self.variations.value:
                wrong = 'is %d, and %d there' % (v, got)
            self.say(prefix + n, wrong, str(got))

    def typedef(self, ours, name):
        that = self.theirs.find(plain(name), TYPEDEF)
        self.say(name, None if that else ABSENT, 'typedef')
        mine = ours.strip(ours.find(name, TYPEDEF))
        if that and not ours.types[mine].name:
            self.fields(ours, name, mine, self.theirs.strip(that))

    def program(self, name, section, has, lacks, arguments):
        """None: not for this kernel."""
        theirs = self.theirs
        if has and not theirs.find(has, STRUCT) or lacks and theirs.find(lacks, STRUCT):
            return
        kind, target = section.split('/')
        if kind == 'tp_btf':
            found = theirs.find('btf_trace_' + target, TYPEDEF)
            proto = theirs.types[theirs.strip(found)].size if found else 0
        else:
            found = theirs.find(target, FUNC)
            proto = theirs.types[found].size if found else 0
        # two programs may hang on one function, for kernels with and without a type
        self.say(section, None if found else ABSENT, kind)
        if not found:
            return
        takes = [t for _, t in theirs.types[proto].rows][kind == 'tp_btf':]
        ret = theirs.types[proto].size
        if kind == 'fexit' and len(arguments) > len(takes):
            takes.append(ret)
        wrong = None
        if len(arguments) > len(takes):
            wrong = 'takes %d arguments, and %s has %d' % (len(arguments), section, len(takes))
        for i, (a, b) in enumerate(zip(arguments, takes)):
            d = argument_differs(a, theirs, b)
            if d and not wrong:
                wrong = 'takes as argument %d %s' % (i + 1, d)
        self.say(name, wrong, '%d of %d arguments' % (len(arguments), len(takes)))


def check(root, kernel, verbose):
    variations = Variations(os.path.join(root, 'vmlinux/variations'))
    ours, records, typedefs, constants = our_types(os.path.join(root, 'vmlinux/vmlinux.h'))
    programs = our_programs(root)
    theirs = read_btf(kernel)
    c = Check(theirs, variations)
    for kind, name in records:
        if kind == 'enum':
            c.enum(ours, name)
        else:
            c.record(ours, kind, name)
    for name in typedefs:
        c.typedef(ours, name)
    anonymous = {n: v for t in theirs.types if t.kind in (ENUM, ENUM64) and not t.name for n, v in t.rows}
    c.constants(constants, anonymous)
    for name, p in programs.items():
        c.program(name, *p)
    # what is excused and does not exist would excuse nothing; inside of what is absent nothing was looked at
    for name in sorted((variations.absent | variations.value | variations.alternatives) - set(c.result)):
        if c.result.get(name.split('.')[0], ('',))[0] != 'absent':
            c.result[name] = ('WRONG', 'is in vmlinux/variations, and nowhere else')
    for group in variations.groups:
        if not any(c.result.get(n, ('',))[0] == 'ok' for n in group):
            c.result[' or '.join(group)] = ('WRONG', 'none of them fits')
    bad = 0
    for name, (word, text) in c.result.items():
        bad += word == 'WRONG'
        if verbose or word == 'WRONG':
            print('%-7s %-45s %s' % (word, name, text))
    words = [w for w, _ in c.result.values()]
    print('%d fit, %d absent as they may be, %d wrong: %s' %
          (words.count('ok'), words.count('absent'), bad, kernel))
    return 1 if bad else 0


def main():
    p = argparse.ArgumentParser(usage=__doc__.split('\n')[2].strip())
    p.add_argument('--root', default=os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    p.add_argument('-v', action='store_true')
    p.add_argument('kernel')
    a = p.parse_args()
    try:
        return check(a.root, a.kernel, a.v)
    except (Trouble, OSError, subprocess.CalledProcessError, lzma.LZMAError, zlib.error) as e:
        print('%s: %s' % (a.kernel, e), file=sys.stderr)
        return 2


sys.exit(main())
