// SPDX-License-Identifier: Apache-2.0
/*
 * Container and pod ids from cgroup paths as Docker, containerd, CRI-O, Podman, ECS and the kubelet
 * (cgroupfs and systemd drivers) name them. An id counts only when it is a whole component.
 */
#include "user/ident/container.h"

#include "user/base/procfs.h"

static size_t hex_prefix(struct slice s)
{
	size_t n = 0;

	while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || (s.p[n] >= 'a' && s.p[n] <= 'f')))
		n++;
	return n;
}

static bool is_decimal(struct slice s)
{
	uint64_t value;

	return slice_to_u64(s, &value);
}

static bool cut_suffix(struct slice *s, struct slice suffix)
{
	if (s->n < suffix.n || !slice_eq(slice_after(*s, s->n - suffix.n), suffix))
		return false;
	s->n -= suffix.n;
	return true;
}

/* "cri-containerd-" or "kubepods-...-pod1.slice:cri-containerd:": what stands before the id. */
static struct slice runtime_prefix(struct slice s)
{
	size_t n = s.n;

	while (n && s.p[n - 1] != '-' && s.p[n - 1] != ':')
		n--;
	return slice_first(s, n);
}

/* parent: the component before, empty for the first. Sets *id only if there is one. */
static void component_id(struct slice component, struct slice parent, struct slice *id)
{
	bool scope = cut_suffix(&component, SLICE(".scope"));
	struct slice prefix = runtime_prefix(component);
	struct slice tail = slice_after(component, prefix.n);
	size_t hex = hex_prefix(tail);

	/* The monitor of a container runs outside of it, in a scope of nearly the same name. */
	if (prefix.n >= 7 && memmem(prefix.p, prefix.n, "conmon-", 7))
		return;
	/* ECS on Fargate: <task, 32 hex>-<number>. */
	if (prefix.n == 33 && hex_prefix(prefix) == 32 && is_decimal(tail)) {
		*id = component;
		return;
	}
	if (hex != tail.n || (hex != 64 && hex != 32))
		return;
	/* 32 digits may be anything (invocations, tasks): only where runtimes put theirs. */
	if (hex == 32 && !(scope && prefix.n) && !slice_eq(parent, SLICE("docker")) &&
	    !slice_starts_with(parent, SLICE("pod")))
		return;
	*id = tail;
}

static bool find_pod_uid(struct slice component, char uid[POD_UID_SZ])
{
	static const char shape[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
	const char *at = component.n ? memmem(component.p, component.n, "pod", 3) : NULL;

	for (; at; at = memmem(at + 1, component.n - (size_t)(at + 1 - component.p), "pod", 3)) {
		struct slice s = slice_after(component, (size_t)(at + 3 - component.p));
		size_t i = 0;

		while (i < POD_UID_SZ && i < s.n &&
		       (shape[i] == 'h' ? hex_prefix(slice_of(s.p + i, 1)) == 1
					: s.p[i] == '-' || s.p[i] == '_'))
			i++;
		if (i < POD_UID_SZ || (s.n > i && hex_prefix(slice_of(s.p + i, 1))))
			continue;
		for (i = 0; i < POD_UID_SZ; i++)
			uid[i] = s.p[i] == '_' ? '-' : s.p[i];
		return true;
	}
	return false;
}

/* The innermost container wins: /docker/<outer>/docker/<inner>. */
void container_parse_path(struct slice path, struct container *out)
{
	struct slice parent = SLICE("");

	while (path.n) {
		ptrdiff_t slash = slice_find(path, '/');
		struct slice component = slash < 0 ? path : slice_first(path, (size_t)slash);

		path = slice_after(path, component.n + 1);
		component_id(component, parent, &out->id);
		find_pod_uid(component, out->pod_uid);
		parent = component;
	}
}

/* Seen from a cgroup namespace that the process is not in, a path says less than where it is. */
static struct slice whole_line(struct slice line, struct slice path)
{
	return slice_starts_with(path, SLICE("/..")) ? SLICE("") : line;
}

void container_parse(struct slice text, struct container *out)
{
	bool unified = false;
	struct slice line;

	*out = (struct container){.id = {0}};
	while (procfs_next_line(&text, &line)) {
		ptrdiff_t first = slice_find(line, ':'), second;
		struct slice controllers, path, had = out->id;

		if (first < 0)
			continue;
		controllers = slice_after(line, (size_t)first + 1);
		second = slice_find(controllers, ':');
		if (second < 0)
			continue;
		path = slice_after(controllers, (size_t)second + 1);
		controllers = slice_first(controllers, (size_t)second);
		if (controllers.n == 0 && !unified) {
			unified = true;
			out->cgroup = whole_line(line, path);
		} else if (!unified && slice_eq(controllers, SLICE("name=systemd"))) {
			out->cgroup = whole_line(line, path);
		}
		container_parse_path(path, out);
		if (had.n)
			out->id = had; /* the first line that shows one */
	}
}

/* Kubernetes' generated names use an alphabet without vowels (apimachinery util/rand). */
static size_t generated_suffix(struct slice s)
{
	size_t n = 0;

	while (n < s.n && memchr("bcdfghjklmnpqrstvwxz2456789", s.p[s.n - 1 - n], 27))
		n++;
	return n;
}

struct slice container_workload(struct slice pod)
{
	size_t n = generated_suffix(pod);

	if (n != 5 || pod.n <= n || pod.p[pod.n - n - 1] != '-')
		return SLICE("");
	pod.n -= n + 1;
	n = generated_suffix(pod);
	if (n < 8 || n > 10 || pod.n <= n + 1 || pod.p[pod.n - n - 1] != '-')
		return SLICE("");
	pod.n -= n + 1;
	return pod;
}
