/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * conf.c - settings: defaults, attributes, environment
 *
 * One table says everything about a setting: its name, its range and its field.
 * The setters and the environment both use it.
 */

#include <string.h>
#include <unistd.h>

#include "conf.h"

#define ATTR_MAGIC	0x6b766672u

#define LARGE_BYTES	131072

/* The one setting that is used before the first start. */
struct kvfree_conf kvfree_conf = { .large_threshold = LARGE_BYTES };

struct urcu_kvfree_attr {
	unsigned int magic;	/* ATTR_MAGIC from create to destroy */
	struct kvfree_conf conf;
};

enum setting_id {
	MIN_CACHED_PAGES, REFILL_BACKOFF_MSEC, DRAIN_MSEC, WORKERS, LARGE_THRESHOLD, BATCH_BYTES,
	MAX_PENDING_BYTES, RECYCLE, PLACEMENT, DEBUG, NR_SETTINGS,
};

#define ENV		"URCU_KVFREE_"
#define FIELD(name)	offsetof(struct kvfree_conf, name)
#define WORDS		3

static const struct setting {
	const char *env;	/* its name in the environment */
	size_t offset;		/* of its field in kvfree_conf */
	size_t min, max;
	size_t preset;		/* what it is if nobody sets it */
	const char *word[WORDS];	/* by value: its name in the environment, or NULL */
} settings[NR_SETTINGS] = {
	[MIN_CACHED_PAGES] = {
		ENV "MIN_CACHED_PAGES", FIELD(min_cached_pages), 0, 1024, .preset = 5 },
	[REFILL_BACKOFF_MSEC] = {
		ENV "REFILL_BACKOFF_MSEC", FIELD(refill_backoff_msec), 0, 100000, .preset = 5000 },
	[DRAIN_MSEC] = { ENV "DRAIN_MSEC", FIELD(drain_msec), 1, 60000, .preset = 100 },
	/* Or as many as there are processors, if these are fewer. */
	[WORKERS] = { ENV "WORKERS", FIELD(workers), 1, KVFREE_MAX_WORKERS, .preset = 4 },
	[LARGE_THRESHOLD] = { ENV "LARGE_THRESHOLD", FIELD(large_threshold), 4096, SIZE_MAX / 2,
		.preset = LARGE_BYTES },
	[BATCH_BYTES] = {
		ENV "BATCH_BYTES", FIELD(batch_bytes), 4096, SIZE_MAX / 2, .preset = 1048576 },
	[MAX_PENDING_BYTES] = {
		ENV "MAX_PENDING_BYTES", FIELD(max_pending_bytes), 0, SIZE_MAX, .preset = 0 },
	[RECYCLE] = { ENV "RECYCLE", FIELD(recycle), 0, 1, .preset = 1 },
	[PLACEMENT] = { ENV "PLACEMENT", FIELD(placement), URCU_KVFREE_PLACEMENT_NEAR,
		URCU_KVFREE_PLACEMENT_FLOAT, .preset = URCU_KVFREE_PLACEMENT_NEAR,
		.word = { [URCU_KVFREE_PLACEMENT_NEAR] = "near",
			[URCU_KVFREE_PLACEMENT_FLOAT] = "float" } },
	[DEBUG] = { ENV "DEBUG", FIELD(debug), URCU_KVFREE_DEBUG_OFF, URCU_KVFREE_DEBUG_STRICT,
		.preset = URCU_KVFREE_DEBUG_OFF,
		.word = { [URCU_KVFREE_DEBUG_STRICT] = "strict" } },
};

static size_t *field_of(struct kvfree_conf *conf, enum setting_id id)
{
	return (size_t *) ((char *) conf + settings[id].offset);
}

/* A cap below the budget would stop every call. */
static bool conf_contradicts(const struct kvfree_conf *conf, enum setting_id id, size_t value)
{
	if (id == BATCH_BYTES)
		return conf->max_pending_bytes && conf->max_pending_bytes < value;
	return id == MAX_PENDING_BYTES && value && value < conf->batch_bytes;
}

static int conf_set(struct kvfree_conf *conf, enum setting_id id, size_t value)
{
	const struct setting *s = &settings[id];

	if (id == REFILL_BACKOFF_MSEC && value > s->max)
		value = s->max;
	if (value < s->min || value > s->max || conf_contradicts(conf, id, value)) {
		errno = EINVAL;
		return -1;
	}
	*field_of(conf, id) = value;
	return 0;
}

static void conf_defaults(struct kvfree_conf *conf)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int id;

	for (id = 0; id < NR_SETTINGS; id++)
		*field_of(conf, id) = settings[id].preset;
	if (cpus < (long) conf->workers)
		conf->workers = cpus < 1 ? 1 : (size_t) cpus;
}

/* A decimal number and nothing else, or one of the setting's words. */
static int parse_value(const struct setting *s, const char *text, size_t *value)
{
	unsigned long long n;
	char *end;

	for (*value = 0; *value < WORDS; ++*value)
		if (s->word[*value] && strcmp(text, s->word[*value]) == 0)
			return 0;
	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n > SIZE_MAX)
		return -1;
	*value = (size_t) n;
	return 0;
}

/* Once for each setting of the environment. */
static void report(enum setting_id id, const char *text, bool contradicts)
{
	static unsigned int reported;	/* atomic: a bit for each */
	const struct setting *s = &settings[id];
	char words[64] = "";
	unsigned int i;

	/* Relaxed: whichever start comes first says it. */
	if (__atomic_fetch_or(&reported, 1U << id, __ATOMIC_RELAXED) & (1U << id))
		return;
	for (i = 0; i < WORDS; i++)
		if (s->word[i])
			strcat(strcat(words, " or "), s->word[i]);
	if (contradicts)
		kvfree_warn("%s=%s is ignored: max_pending_bytes may not be below batch_bytes",
			s->env, text);
	else
		kvfree_warn("%s=%s is ignored: want a number from %zu to %zu%s", s->env, text,
			s->min, s->max, words);
}

/* With @last, say what is wrong. */
static void conf_environment(struct kvfree_conf *conf, bool last)
{
	unsigned int id;

	for (id = 0; id < NR_SETTINGS; id++) {
		const struct setting *s = &settings[id];
		/* NULL in a program with more rights than its caller. */
		const char *text = secure_getenv(s->env);
		size_t value = 0;
		bool parsed;

		if (!text)
			continue;
		parsed = parse_value(s, text, &value) == 0;
		if (parsed && conf_set(conf, id, value) == 0)
			continue;
		if (last)
			report(id, text, parsed && conf_contradicts(conf, id, value));
	}
}

int kvfree_conf_resolve(struct kvfree_conf *conf, const struct urcu_kvfree_attr *attr)
{
	if (attr && attr->magic != ATTR_MAGIC) {
		errno = EINVAL;
		return -1;
	}
	if (attr)
		*conf = attr->conf;
	else
		conf_defaults(conf);
	/* Twice: of two settings that go together, one may be right only with the other. */
	conf_environment(conf, false);
	conf_environment(conf, true);
	if (conf->debug == URCU_KVFREE_DEBUG_STRICT)
		conf->drain_msec = 0;	/* begin at once */
	return 0;
}

void kvfree_conf_publish(const struct kvfree_conf *conf)
{
	struct kvfree_conf from = *conf;
	unsigned int id;

	/* Relaxed: each setting stands on its own. */
	for (id = 0; id < NR_SETTINGS; id++)
		__atomic_store_n(field_of(&kvfree_conf, id), *field_of(&from, id),
				__ATOMIC_RELAXED);
}

struct urcu_kvfree_attr *urcu_kvfree_attr_create(void)
{
	struct urcu_kvfree_attr *attr = calloc(1, sizeof(*attr));

	if (!attr) {
		errno = ENOMEM;	/* not every calloc() sets it */
		return NULL;
	}
	attr->magic = ATTR_MAGIC;
	conf_defaults(&attr->conf);
	return attr;
}

void urcu_kvfree_attr_destroy(struct urcu_kvfree_attr *attr)
{
	if (attr)
		attr->magic = 0;
	free(attr);
}

static int attr_set(struct urcu_kvfree_attr *attr, enum setting_id id, size_t value)
{
	if (!attr || attr->magic != ATTR_MAGIC) {
		errno = EINVAL;
		return -1;
	}
	return conf_set(&attr->conf, id, value);
}

int urcu_kvfree_attr_set_min_cached_pages(struct urcu_kvfree_attr *attr, unsigned int pages)
{
	return attr_set(attr, MIN_CACHED_PAGES, pages);
}

int urcu_kvfree_attr_set_refill_backoff_msec(struct urcu_kvfree_attr *attr, unsigned int msec)
{
	return attr_set(attr, REFILL_BACKOFF_MSEC, msec);
}

int urcu_kvfree_attr_set_drain_msec(struct urcu_kvfree_attr *attr, unsigned int msec)
{
	return attr_set(attr, DRAIN_MSEC, msec);
}

int urcu_kvfree_attr_set_batch_bytes(struct urcu_kvfree_attr *attr, size_t bytes)
{
	return attr_set(attr, BATCH_BYTES, bytes);
}

int urcu_kvfree_attr_set_max_pending_bytes(struct urcu_kvfree_attr *attr, size_t bytes)
{
	return attr_set(attr, MAX_PENDING_BYTES, bytes);
}

int urcu_kvfree_attr_set_recycle(struct urcu_kvfree_attr *attr, bool recycle)
{
	return attr_set(attr, RECYCLE, recycle);
}

int urcu_kvfree_attr_set_placement(struct urcu_kvfree_attr *attr,
		enum urcu_kvfree_placement placement)
{
	return attr_set(attr, PLACEMENT, placement);
}

int urcu_kvfree_attr_set_workers(struct urcu_kvfree_attr *attr, unsigned int workers)
{
	return attr_set(attr, WORKERS, workers);
}

int urcu_kvfree_attr_set_large_threshold(struct urcu_kvfree_attr *attr, size_t bytes)
{
	return attr_set(attr, LARGE_THRESHOLD, bytes);
}

int urcu_kvfree_attr_set_debug(struct urcu_kvfree_attr *attr, enum urcu_kvfree_debug debug)
{
	return attr_set(attr, DEBUG, debug);
}
