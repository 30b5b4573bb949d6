// SPDX-License-Identifier: Apache-2.0
/* Edit distance: insertion, deletion, substitution, and swapped neighbours. */
#include "user/control/nearest.h"

#include <string.h>

#define WORD_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1]; /* the last three of the table, in turn */

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest__try(struct nearest *n, const char *name, const char *answer)
{
	size_t word_len = strlen(n->word), name_len = strlen(name), d, limit;

	if (word_len > WORD_MAX || name_len > WORD_MAX)
		return;
	d = distance(n->word, word_len, name, name_len);
	limit = word_len < 3 ? 0 : word_len < 6 ? 1 : word_len < 9 ? 2 : 3;
	if (d > limit || (n->best && d >= n->best_distance))
		return;
	n->best = answer;
	n->best_distance = d;
}
