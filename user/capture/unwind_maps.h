/* SPDX-License-Identifier: Apache-2.0 */
/* The unwinder's maps. One thread at a time. */
#ifndef SONDE_CAPTURE_UNWIND_MAPS_H
#define SONDE_CAPTURE_UNWIND_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/abi/unwind.h"

/* A map of cnt values of that size, that may become part of one of maps, and its memory. NULL with errno. */
void *unwind_map_new(uint32_t value_sz, uint32_t cnt, int *fd);
void unwind_map_unmap(void *memory, uint32_t value_sz, uint32_t cnt);
/* In a map of maps. All at once where the kernel can: each call of the kernel waits for its programs. */
int unwind_map_publish(int outer_fd, const uint32_t *ids, const int *fds, uint32_t cnt);
void unwind_map_withdraw(int outer_fd, const uint32_t *ids, uint32_t cnt);

#endif
