/* SPDX-License-Identifier: Apache-2.0 */
/* Does a name say that what it names is a secret? Any thread. */
#ifndef SONDE_POLICY_SECRET_NAMES_H
#define SONDE_POLICY_SECRET_NAMES_H

#include "user/base/slice.h"

/* Longer names are not names that a person wrote: they count as secret. */
#define SECRET_NAME_MAX 64

/* A key of a query, a parameter or an option, as it stands on the wire. */
bool names_secret(struct slice key);
/* A header: those above, and the cookies. */
bool names_secret_header(struct slice name);

#endif
