/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_cookie_check.c - what is freed before its cookie is over is leaked
 *
 * Linked with a library that is broken on purpose (twins/hasty-barrier.patch):
 * its barrier does not wait for a grace period. The check before the free must
 * see it, whatever the other tests miss. (lessons: K2)
 */

#include <stdio.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvinside.h"

static const char message[] = "before their grace period is over";
static const char twice[] = "is queued twice";

/* A page of malloc's objects, one of a channel's, the emergency chain. */
#define OBJECTS	3

static int queue_three_and_wait(const struct rcu_flavor_struct *rcu)
{
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create(
			"counts", kvarena_free_bulk, NULL);
	struct urcu_kvfree_stats stats;

	kvtest_start(60000, 2);		/* nobody but the barrier frees */
	kvinside_record(rcu);
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	kvinside_settle();		/* the next page has come */
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
	kvinside_queue_emergency(rcu, kvarena_object(), NULL);
	urcu_kvfree_rcu_barrier_flavor(rcu);
	stats = kvtest_stats(rcu);
	if (kvarena_freed())
		return 1;
	if (stats.leaked != OBJECTS || stats.queued != OBJECTS || stats.freed)
		return 2;
	/* Leaked is no longer pending: an exit does not wait for it. */
	if (stats.pending)
		return 3;
	urcu_kvfree_exit();
	return kvarena_freed() ? 4 : KVCHILD_OK;
}

/* With debugging on: a leaked object is still known as queued. */
static int queue_again(const struct rcu_flavor_struct *rcu)
{
	int ret = queue_three_and_wait(rcu);
	unsigned int i;

	if (ret != KVCHILD_OK)
		return ret;
	for (i = 0; i < OBJECTS; i++)
		urcu_kvfree_rcu_flavor(rcu, kvarena_nth(i), head);
	return kvtest_stats(rcu).leaked == 2 * OBJECTS ? KVCHILD_OK : 5;
}

#define SCENARIOS(name)							\
static int once_##name(void)						\
{									\
	return queue_three_and_wait(&urcu_##name##_flavor);		\
}									\
									\
static int again_##name(void)						\
{									\
	return queue_again(&urcu_##name##_flavor);			\
}

SCENARIOS(memb)
SCENARIOS(mb)
SCENARIOS(qsbr)
SCENARIOS(bp)

static const struct kvchild_scenario scenarios[] = {
	{ "once memb", once_memb },
	{ "once mb", once_mb },
	{ "once qsbr", once_qsbr },
	{ "once bp", once_bp },
	{ "again memb", again_memb },
	{ "again mb", again_mb },
	{ "again qsbr", again_qsbr },
	{ "again bp", again_bp },
	{ NULL, NULL },
};

/* Run the scenario of that flavor; what it wrote to stderr. */
static void run(const char *what, void **state, char *err, size_t size)
{
	const struct kvtest_flavor *flavor = *state;
	char name[32];

	snprintf(name, sizeof(name), "%s %s", what, flavor->name);
	assert_int_equal(kvchild_run(name, err, size), KVCHILD_OK);
	assert_non_null(strstr(err, message));
}

TEST(what_fails_the_check_is_leaked_and_reported)
{
	char err[4096];

	unsetenv("URCU_KVFREE_DEBUG");
	run("once", state, err, sizeof(err));
	/* For each page and for the chain. */
	assert_int_equal(kvchild_count_lines(err), 3);
}

TEST(what_is_leaked_is_still_tracked)
{
	char err[16384];

	setenv("URCU_KVFREE_DEBUG", "1", 1);
	run("again", state, err, sizeof(err));
	assert_non_null(strstr(err, twice));
	assert_int_equal(kvchild_count_lines(err), 3 + OBJECTS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		kvtest_flavors_test(
			what_fails_the_check_is_leaked_and_reported),
		kvtest_flavors_test(what_is_leaked_is_still_tracked),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
