// SPDX-License-Identifier: Apache-2.0
/* The account's storage. */
#include "user/base/account.h"

const struct account_row account_rows[ACCOUNT_CNT] = {
#define X(id, stem_, cause_, help_) \
	[ACCOUNT_##id] = {.stem = stem_, .cause = cause_, .help = help_},
	ACCOUNT_TABLE(X)
#undef X
};

_Atomic uint64_t account_values[ACCOUNT_CNT];
