// SPDX-License-Identifier: Apache-2.0
/* Widths are by the blocks that matter, so that no locale need be set. */
#include "user/cli/columns.h"

#include <stdlib.h>
#include <string.h>

int columns_of(int32_t code)
{
	static const struct {
		int32_t first, last;
		int columns;
	} blocks[] = {
		{.first = -1, .last = 0x001f, .columns = -1},	  /* ill-formed, C0 */
		{.first = 0x007f, .last = 0x009f, .columns = -1}, /* DEL, C1 */
		{.first = 0x00ad, .last = 0x00ad, .columns = -1}, /* soft hyphen */
		{.first = 0x0300, .last = 0x036f, .columns = 0},  /* combining marks */
		{.first = 0x061c, .last = 0x061c, .columns = -1}, /* direction */
		{.first = 0x1100, .last = 0x115f, .columns = 2},  /* Hangul */
		{.first = 0x200b, .last = 0x200f, .columns = -1}, /* no width, direction */
		{.first = 0x2028, .last = 0x202e, .columns = -1}, /* line ends, direction */
		{.first = 0x2060, .last = 0x206f, .columns = -1}, /* no width, direction */
		{.first = 0x2e80, .last = 0x303e, .columns = 2},  /* CJK */
		{.first = 0x3041, .last = 0xa4cf, .columns = 2},  /* CJK */
		{.first = 0xac00, .last = 0xd7a3, .columns = 2},  /* Hangul */
		{.first = 0xe000, .last = 0xf8ff, .columns = -1}, /* private use */
		{.first = 0xf900, .last = 0xfaff, .columns = 2},  /* CJK */
		{.first = 0xfe00, .last = 0xfe0f, .columns = 0},  /* variation selectors */
		{.first = 0xfe30, .last = 0xfe6f, .columns = 2},  /* CJK forms */
		{.first = 0xfeff, .last = 0xfeff, .columns = -1}, /* byte order mark */
		{.first = 0xff00, .last = 0xff60, .columns = 2},  /* full width */
		{.first = 0xffe0, .last = 0xffe6, .columns = 2},
		{.first = 0xfff9, .last = 0xfffb, .columns = -1},
		{.first = 0x1f300, .last = 0x1f64f, .columns = 2}, /* pictographs */
		{.first = 0x1f680, .last = 0x1f6ff, .columns = 2},
		{.first = 0x1f900, .last = 0x1faff, .columns = 2},
		{.first = 0x20000, .last = 0x3fffd, .columns = 2},   /* CJK */
		{.first = 0xe0000, .last = 0x10ffff, .columns = -1}, /* tags, private use */
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks) && code >= blocks[i].first; i++)
		if (code <= blocks[i].last)
			return blocks[i].columns;
	return 1;
}

bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
	}
	return false;
}
