/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_barrier.c - what was queued before a barrier is freed when it returns
 */

#include <sched.h>
#include <signal.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvhold.h"
#include "kvinside.h"

#define THREADS	3
#define EACH	12000

static const struct rcu_flavor_struct *rcu;
static struct urcu_kvfree_channel *channel;

static int begin(void **state)
{
	rcu = *state ? kvtest_of(state) : &urcu_memb_flavor;
	kvtest_start(1, 2);
	kvarena_reset();
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	return urcu_kvfree_channel_destroy(channel);
}

/* What a thread queued; count is published after each call. */
struct log {
	struct kvtest_object *object[EACH];
	unsigned int count;	/* atomic */
	unsigned int exits;	/* how often the thread ends on its way */
};

static struct log logs[THREADS];

static void queue_logged(struct log *log, unsigned int n)
{
	struct kvtest_object *object = kvarena_object();

	log->object[n] = object;
	switch (n % 7) {
	case 0:
	case 1:
		urcu_kvfree_rcu_flavor(rcu, object, head);
		break;
	case 2:
		urcu_kvfree_rcu_channel_flavor(rcu, object, head, channel);
		break;
	case 3:
		kvinside_queue_emergency(rcu, object, NULL);
		break;
	case 4:
		urcu_kvfree_rcu_mightsleep_flavor(rcu, object);
		urcu_kvfree_rcu_reclaim_flavor(rcu, 3);
		break;
	default:
		urcu_kvfree_rcu_mightsleep_flavor(rcu, object);
		break;
	}
	/* Release: pairs with the acquire in barrier_and_look(). */
	__atomic_store_n(&log->count, n + 1, __ATOMIC_RELEASE);
}

static void *queue_some(void *arg)
{
	struct log *log = arg;
	unsigned int n = log->count;

	do
		queue_logged(log, n++);
	while (n < EACH && n % (EACH / log->exits));
	return NULL;
}

/* A thread that starts threads, each of which queues some and exits. */
static void *queue_in_turns(void *arg)
{
	struct log *log = arg;

	while (log->count < EACH)
		kvtest_on_thread(queue_some, log);
	return NULL;
}

/* Objects that should be freed and are not. */
static unsigned int barrier_and_look(unsigned int from[THREADS])
{
	unsigned int upto[THREADS], missing = 0, i, n;

	for (i = 0; i < THREADS; i++)
		upto[i] = __atomic_load_n(&logs[i].count, __ATOMIC_ACQUIRE);
	if (urcu_kvfree_rcu_barrier_flavor(rcu))
		abort();
	for (i = 0; i < THREADS; i++) {
		for (n = from[i]; n < upto[i]; n++)
			if (!kvarena_is_freed(logs[i].object[n]))
				missing++;
		from[i] = upto[i];
	}
	return missing;
}

static bool all_logged(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (__atomic_load_n(&logs[i].count, __ATOMIC_ACQUIRE) < EACH)
			return false;
	return true;
}

/* An owner loses the processor with a ripe object in its hands. */
static void yield(void)
{
	sched_yield();
}

/*
 * K14: owners reclaim, workers free, the emergency list fills, threads exit,
 * and the barrier still keeps its word. K18, P8: it never hangs over a
 * thread that exits.
 */
TEST(a_barrier_covers_every_way_that_an_object_can_take)
{
	unsigned int from[THREADS] = { 0 }, missing = 0, i;
	pthread_t tid[THREADS];

	kvhold_every(KVFREE_HOOK_VICTIM, yield);
	for (i = 0; i < THREADS; i++) {
		logs[i].count = 0;
		logs[i].exits = 1 + 29 * i;
		tid[i] = kvtest_thread(queue_in_turns, &logs[i]);
	}
	while (!all_logged())
		missing += barrier_and_look(from);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	missing += barrier_and_look(from);
	kvhold_off();
	assert_int_equal(missing, 0);
	kvarena_assert_exact();
}

/* Two barriers at the same time. */
static void *barrier_loop(void *arg)
{
	unsigned int from[THREADS] = { 0 };
	uintptr_t missing = 0;

	(void) arg;
	while (!all_logged())
		missing += barrier_and_look(from);
	return (void *) missing;
}

TEST(barriers_of_several_threads_all_keep_their_word)
{
	pthread_t tid[THREADS], other[2];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		logs[i].count = 0;
		logs[i].exits = 3;
		tid[i] = kvtest_thread(queue_in_turns, &logs[i]);
	}
	for (i = 0; i < 2; i++)
		other[i] = kvtest_thread(barrier_loop, NULL);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	for (i = 0; i < 2; i++)
		assert_ptr_equal(kvtest_join(other[i]), NULL);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* An owner with a victim in its hands                                */

static bool has_ripe(struct kvfree_record *record)
{
	return kvfree_record_peek(record, KVFREE_CLOSED_OWNER,
			kvfree_gp_completed(&record->domain->gp));
}

/* Queue until a page is ripe, then take one object and stop. */
static void *owner(void *taken)
{
	struct kvfree_record *record = kvinside_record(rcu);
	size_t nr = 0;

	while (!nr) {
		while (!has_ripe(record)) {
			urcu_kvfree_rcu_mightsleep_flavor(rcu,
				kvarena_object());
			if (kvarena_made() % 100 == 0)
				kvtest_sleep_msec(1);
		}
		kvhold_at(KVFREE_HOOK_VICTIM);
		nr = urcu_kvfree_rcu_reclaim_flavor(rcu, 1);
		kvhold_go();
	}
	*(size_t *) taken = nr;
	return NULL;
}

struct waiting {
	int returned;	/* atomic */
};

static void *barrier_once(void *arg)
{
	struct waiting *waiting = arg;

	urcu_kvfree_rcu_barrier_flavor(rcu);
	__atomic_store_n(&waiting->returned, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* K14: the object is in no page and on no list, and not freed yet. */
TEST(a_barrier_waits_for_the_victim_in_an_owners_hands)
{
	struct waiting waiting = { 0 };
	pthread_t owner_tid, tid;
	size_t taken = 0;

	owner_tid = kvtest_thread(owner, &taken);
	assert_true(kvhold_wait());
	tid = kvtest_thread(barrier_once, &waiting);
	/* Time in which a barrier that does not wait would return. */
	kvtest_sleep_msec(30);
	assert_int_equal(__atomic_load_n(&waiting.returned, __ATOMIC_ACQUIRE),
		0);
	assert_false(kvarena_all_freed(NULL));
	kvhold_go();
	kvtest_join(tid);
	kvtest_join(owner_tid);
	assert_int_equal(taken, 1);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* Where a barrier cannot work                                        */

static int in_free_errno;
static int in_free_ret;

static void barrier_in_free(size_t nr, void **ptrs, void *priv)
{
	errno = 0;
	in_free_ret = urcu_kvfree_rcu_barrier_flavor(rcu);
	in_free_errno = errno;
	kvarena_free_bulk(nr, ptrs, priv);
}

/* K16 */
TEST(a_barrier_from_a_free_function_is_refused)
{
	struct urcu_kvfree_channel *odd = urcu_kvfree_channel_create("odd",
			barrier_in_free, NULL);

	assert_non_null(odd);
	in_free_ret = in_free_errno = 0;
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, odd);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(in_free_ret, -1);
	assert_int_equal(in_free_errno, EDEADLK);
	assert_int_equal(urcu_kvfree_channel_destroy(odd), 0);
	kvarena_assert_exact();
}

static void *online_caller(void *arg)
{
	rcu->register_thread();
	kvtest_read_lock(rcu);
	kvtest_read_unlock(rcu);
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_rcu_barrier_flavor(rcu);
	/* And it is online again: registered QSBR threads are "reading". */
	*(int *) arg = rcu->read_ongoing() != 0;
	rcu->unregister_thread();
	return NULL;
}

TEST(a_registered_caller_does_not_wait_for_itself)
{
	int online = -1;

	kvtest_on_thread(online_caller, &online);
	assert_int_equal(online, rcu == &urcu_qsbr_flavor);
	kvarena_assert_exact();
}

static int barrier_in_section(void)
{
	rcu->register_thread();
	rcu->read_lock();
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_rcu_barrier_flavor(rcu);
	return 1;
}

static int section_memb(void)
{
	rcu = &urcu_memb_flavor;
	return barrier_in_section();
}

static int section_mb(void)
{
	rcu = &urcu_mb_flavor;
	return barrier_in_section();
}

static int section_bp(void)
{
	rcu = &urcu_bp_flavor;
	return barrier_in_section();
}

static const struct kvchild_scenario scenarios[] = {
	{ "memb", section_memb },
	{ "mb", section_mb },
	{ "bp", section_bp },
	{ NULL, NULL },
};

/* QSBR is not among them: an online caller is taken offline. */
TEST(a_barrier_inside_a_section_aborts_with_a_message)
{
	const struct kvchild_scenario *scenario;
	char err[4096];

	for (scenario = scenarios; scenario->name; scenario++) {
		assert_int_equal(kvchild_run(scenario->name, err, sizeof(err)),
			128 + SIGABRT);
		assert_non_null(strstr(err, "urcu_kvfree_rcu_barrier()"));
		assert_non_null(strstr(err, "read-side critical section"));
		assert_int_equal(kvchild_count_lines(err), 1);
	}
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test_each(a_barrier_covers_every_way_that_an_object_can_take),
		test_each(barriers_of_several_threads_all_keep_their_word),
		test_each(a_barrier_waits_for_the_victim_in_an_owners_hands),
		test_each(a_barrier_from_a_free_function_is_refused),
		test_each(a_registered_caller_does_not_wait_for_itself),
		test(a_barrier_inside_a_section_aborts_with_a_message),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
