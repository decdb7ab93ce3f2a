/* SPDX-License-Identifier: MIT */
#include "top_clean.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The code point at `s` and its length; length 0: no UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing behind U+10FFFF). */
static uint32_t decode(const unsigned char *s, size_t *length)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
	uint32_t point = n == 1 ? *s : n ? *s & (0x7fu >> n) : 0;

	*length = 0;
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2) /* also the end of the text */
			return 0;
		point = point << 6 | (s[i] & 0x3f);
	}
	if (!n || point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	*length = n;
	return point;
}

/* What a terminal obeys, or what hides or turns round what stands beside it (Unicode 15,
 * categories Cc and Cf, line and paragraph separators, noncharacters). */
static bool harmful(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad ||
	       (point >= 0x600 && point <= 0x605) || point == 0x61c || point == 0x6dd ||
	       point == 0x70f || point == 0x180e || (point >= 0x200b && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) ||
	       point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb) ||
	       (point & 0xfffe) == 0xfffe || (point >= 0xe0000 && point <= 0xe007f);
}

char *top_clean(char *text)
{
	unsigned char *from = (unsigned char *)text, *to = from;
	size_t n;

	for (; *from; from += n) {
		uint32_t point = decode(from, &n);

		if (!n || harmful(point)) {
			n += !n;
			*to++ = '?';
			continue;
		}
		memmove(to, from, n);
		to += n;
	}
	*to = '\0';
	return text;
}

char *top_clean_copy(const char *text, size_t size)
{
	char *copy = text ? strndup(text, size) : NULL;

	return copy ? top_clean(copy) : NULL;
}
