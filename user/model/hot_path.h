/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the tree of the hottest stacks: a frame, or several of which each calls hardly anything but the next. */
#ifndef SONDE_MODEL_HOT_PATH_H
#define SONDE_MODEL_HOT_PATH_H

#include "user/model/profile.h"

struct hot_path {
	struct slice first, last; /* the same if it is one frame */
	uint32_t between;	  /* frames between these */
	uint32_t depth;	      /* of the row; its parent is the row above that is one less deep */
	enum frame_type type; /* of the last */
	uint64_t self, total; /* weights of the last */
};

#endif
