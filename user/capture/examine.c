// SPDX-License-Identifier: Apache-2.0
/* Tries every probe and puts the outcome into words. */
#include "user/capture/examine.h"

#include <stdio.h>
#include <string.h>

#include "user/capture/filter.h"
#include "user/capture/probes.h"

static struct capability *add(struct examination *out, const char *name)
{
	struct capability *capability = &out->capabilities[out->cnt++];

	*capability = (struct capability){.name = name};
	return capability;
}

/* False if nothing else need be tried. */
static bool examine_host(struct examination *out)
{
	struct capability *capability = add(out, "kernel and privileges");

	if (!host_lacks(out->texts[0], sizeof(out->texts[0]))) {
		capability->hook = "BTF, root";
		return true;
	}
	capability->state = CAPABILITY_MISSING;
	capability->why = out->texts[0];
	out->blocked = 1;
	return false;
}

/* Returns the kinds of variants that go with the one it found. */
static unsigned int examine_probe(struct examination *out, const struct probe *probe,
				  unsigned int kinds)
{
	char *text = out->texts[out->cnt];
	struct capability *capability = add(out, probe->capability);
	struct probe_result result;

	kinds = probe_try(probe, kinds, &result);
	if (result.tried[0]) {
		snprintf(text, sizeof(out->texts[0]), "%s", result.tried);
		capability->tried = text;
	}
	if (result.chosen) {
		capability->hook = result.chosen->name;
		capability->why = result.chosen->less;
		if (capability->why)
			capability->state = CAPABILITY_DEGRADED;
		return kinds;
	}
	capability->state = CAPABILITY_MISSING;
	capability->why = probe->without;
	capability->todo = probe->todo;
	if (probe->required)
		out->blocked = 1;
	return kinds;
}

static void examine_cgroups(struct examination *out)
{
	char *text = out->texts[out->cnt];
	struct capability *capability = add(out, "cgroup and container targets");

	if (find_cgroup2(text, sizeof(out->texts[0]))) {
		capability->hook = text;
		return;
	}
	capability->state = CAPABILITY_MISSING;
	capability->why = "cgroup v2 is not mounted; other targets work";
	capability->todo = "mount -t cgroup2 none /sys/fs/cgroup";
}

void examine(const char *variant, struct examination *out)
{
	unsigned int kinds = probe_kinds(variant);

	memset(out, 0, sizeof(*out));
	if (!examine_host(out))
		return;
	for (size_t i = 0; i < probes_cnt; i++)
		kinds = examine_probe(out, &probes[i], kinds);
	examine_cgroups(out);
}
