/* SPDX-License-Identifier: Apache-2.0 */
/* Fields by offset, for tables whose rows name where a value goes. */
#ifndef SONDE_BASE_FIELD_H
#define SONDE_BASE_FIELD_H

#include <stddef.h>

/* The offset of a field; does not compile if its size is not that of ctype. No struct is made. */
#define FIELD_AT(owner, field, ctype)                                                           \
	(offsetof(owner, field) + 0 * sizeof(struct {                                           \
					  _Static_assert(sizeof(((owner *)0)->field) ==         \
								 sizeof(ctype),                 \
							 "the field is not of the row's type"); \
					  int unused;                                           \
				  }))

#endif
