/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text as it stands, and as it reads when its percent-encoding is undone, once and again: what is
 * found in any of these layers is known as a part of the text itself. One thread at a time.
 */
#ifndef SONDE_POLICY_LAYERS_H
#define SONDE_POLICY_LAYERS_H

#include "user/base/pattern.h"

#define LAYERS_MAX 4 /* with the text itself */

/* Starts zeroed; memory for the undone text is kept between texts. */
struct layers {
	struct slice text; /* the layer at hand */
	int depth;	   /* 0: the text itself */
	char *undone;
	uint32_t *raw; /* of each byte of a deeper layer and of its end: index in the text itself */
	size_t cap;
};

void layers__free(struct layers *l);
/* The first layer is the text itself, borrowed until the last layer is done. */
void layers__start(struct layers *l, struct slice text);
/* The next one. False when there is none, or with *failed set when memory is out. */
bool layers__next(struct layers *l, bool *failed);
/* A part of the layer at hand as a part of the text itself. */
struct text_range layers__raw(const struct layers *l, struct text_range range);

#endif
