/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pinned BPF map in which another tracer says which span each thread works for: OBI's traces_ctx_v1 (OTEP 4855), an LRU hash
 * from bpf_get_current_pid_tgid() to 16 bytes of trace id and 8 of span id.
 */
#ifndef SONDE_CAPTURE_CONTEXT_MAP_H
#define SONDE_CAPTURE_CONTEXT_MAP_H

struct bpf_map;

/*
 * Before the map is loaded: it is to be the one that is pinned at path, which is made if there is none, since whoever comes
 * first makes it. 0, or a negative errno, and the log says what to do.
 */
int context_map_share(struct bpf_map *map, const char *path);

#endif
