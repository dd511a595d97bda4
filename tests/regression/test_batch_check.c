/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_batch_check.c - a batch that was collected too late is leaked, not freed
 *
 * Linked with a library that is broken on purpose (KVFREE_TWIN_LATE_COLLECT):
 * it waits for the grace period first and collects afterwards. The
 * check before the free must see it, whatever the other tests miss. (lessons: K2)
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvinside.h"

static const char message[] = "was collected after its grace period began";

static int queue_three_and_wait(const struct rcu_flavor_struct *rcu)
{
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create(
			"counts", kvarena_free_bulk, NULL);
	struct urcu_kvfree_stats stats;

	kvtest_start(2, 2);
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
	kvinside_queue_emergency(rcu, kvarena_object(), NULL);
	urcu_kvfree_rcu_barrier_flavor(rcu);
	stats = kvtest_stats(rcu);
	if (kvarena_freed())
		return 1;
	if (stats.leaked != 3 || stats.queued != 3 || stats.freed)
		return 2;
	/* Leaked is no longer pending: an exit does not wait for it. */
	if (stats.pending)
		return 3;
	urcu_kvfree_exit();
	return kvarena_freed() ? 4 : KVCHILD_OK;
}

static int late_memb(void)
{
	return queue_three_and_wait(&urcu_memb_flavor);
}

static int late_mb(void)
{
	return queue_three_and_wait(&urcu_mb_flavor);
}

static int late_qsbr(void)
{
	return queue_three_and_wait(&urcu_qsbr_flavor);
}

static int late_bp(void)
{
	return queue_three_and_wait(&urcu_bp_flavor);
}

static const struct kvchild_scenario scenarios[] = {
	{ "memb", late_memb },
	{ "mb", late_mb },
	{ "qsbr", late_qsbr },
	{ "bp", late_bp },
	{ NULL, NULL },
};

static void a_batch_that_fails_the_check_is_leaked_and_reported(void **state)
{
	const struct kvtest_flavor *flavor = *state;
	char err[4096];

	assert_int_equal(kvchild_run(flavor->name, err, sizeof(err)),
		KVCHILD_OK);
	assert_non_null(strstr(err, message));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		kvtest_flavors_test(
			a_batch_that_fails_the_check_is_leaked_and_reported),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
