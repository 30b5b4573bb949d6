/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of payment cards (ISO/IEC 7812): issuer, length, check digit, and how people group them. */
#ifndef SONDE_POLICY_CARD_H
#define SONDE_POLICY_CARD_H

#include "user/base/pattern.h"

/*
 * The first card number in a run: digits with at most one of " -.+_" between them, as long as such
 * a run can be. What stands around the run counts too. False when there is none.
 */
bool card_find(struct slice text, struct text_range run, struct text_range *found);

#endif
