/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_placement.c - on which processor a worker frees
 *
 * Most tests are the worker themselves, and the thread of the tick as well.
 */

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cmocka-all.h"
#include "kvrefuse.h"
#include "placement.h"

static cpu_set_t home;		/* where this process may run */
static int here, there;		/* two processors of these */

/* ------------------------------------------------------------------ */
/* System calls, counted                                              */

static int nr_calls, nr_set;	/* atomic */
static int refuse_set;		/* error number for the next ones, or 0 */
/* What comes in between, if set: before a change of the calling thread's mask,
 * and when the tick, with its lock held, looks at another's. */
static void (*in_change)(void), (*in_tick)(void);

int __real_sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set);
int __wrap_sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set);
int __real_sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set);
int __real_sched_getscheduler(pid_t tid);
int __wrap_sched_getscheduler(pid_t tid);

static void count(int *nr)
{
	__atomic_fetch_add(nr, 1, __ATOMIC_RELAXED);
}

static void come_in(void (*who)(void))
{
	if (who)
		who();
}

int __wrap_sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set)
{
	count(&nr_calls);
	count(&nr_set);
	if (!tid)
		come_in(in_change);
	if (refuse_set) {
		errno = refuse_set;
		return -1;
	}
	return __real_sched_setaffinity(tid, size, set);
}

int __wrap_sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set)
{
	count(&nr_calls);
	if (tid)
		come_in(in_tick);
	return __real_sched_getaffinity(tid, size, set);
}

int __wrap_sched_getscheduler(pid_t tid)
{
	count(&nr_calls);
	return __real_sched_getscheduler(tid);
}

/* ------------------------------------------------------------------ */

static pid_t own_tid(void)
{
	return (pid_t) syscall(SYS_gettid);
}

static cpu_set_t mask_of(pid_t tid)
{
	cpu_set_t mask;

	if (__real_sched_getaffinity(tid, sizeof(mask), &mask))
		abort();
	return mask;
}

static void set_mask(const cpu_set_t *mask)
{
	if (__real_sched_setaffinity(0, sizeof(*mask), mask))
		abort();
}

static void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	set_mask(&one);
}

static bool is_on(pid_t tid, int cpu)
{
	cpu_set_t mask = mask_of(tid);

	return CPU_COUNT(&mask) == 1 && CPU_ISSET(cpu, &mask);
}

static bool floats(pid_t tid)
{
	cpu_set_t mask = mask_of(tid);

	return CPU_EQUAL(&mask, &home);
}

/* Whether there are two. */
static bool find_processors(void)
{
	int cpu;

	home = mask_of(0);
	here = there = -1;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &home))
			continue;
		if (here < 0)
			here = cpu;
		else if (there < 0)
			there = cpu;
	}
	return there >= 0;
}

/* A thread that only has a number and a policy. */
static struct owner {
	pthread_t thread;
	pid_t tid;
	sem_t ready, leave;
	bool runs;
} owner;

static void *own(void *unused)
{
	(void) unused;
	owner.tid = own_tid();
	sem_post(&owner.ready);
	while (sem_wait(&owner.leave))
		;
	return NULL;
}

static void owner_begin(void)
{
	sem_init(&owner.ready, 0, 0);
	sem_init(&owner.leave, 0, 0);
	owner.thread = kvtest_thread(own, NULL);
	owner.runs = true;
	while (sem_wait(&owner.ready))
		;
}

static void owner_end(void)
{
	sem_post(&owner.leave);
	kvtest_join(owner.thread);
	owner.runs = false;
}

/* Lists of isolated processors of the test's own. */
static char cpu_dir[] = "/tmp/kvfree-cpu-XXXXXX";

static void remove_lists(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/isolated", cpu_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/nohz_full", cpu_dir);
	unlink(path);
	rmdir(cpu_dir);
}

FIXTURE(begin)
{
	refuse_set = 0;
	kvfree_check_cpu_dir = "/nonexistent";
	kvfree_placement_start(true);
	return 0;
}

FIXTURE(end)
{
	refuse_set = 0;
	in_change = in_tick = NULL;
	if (kvfree_check_cpu_dir == cpu_dir)
		remove_lists();
	if (owner.runs)
		owner_end();
	kvfree_placement_release();
	set_mask(&home);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Following                                                          */

TEST(a_worker_is_bound_until_it_is_released)
{
	assert_true(kvfree_placement_follow(there, own_tid()));
	assert_true(is_on(0, there));
	assert_int_equal(sched_getcpu(), there);
	kvfree_placement_release();
	assert_true(floats(0));
	kvfree_placement_release();
	assert_true(floats(0));
}

TEST(a_worker_follows_from_one_processor_to_another)
{
	assert_true(kvfree_placement_follow(here, own_tid()));
	assert_true(kvfree_placement_follow(there, own_tid()));
	assert_true(is_on(0, there));
	kvfree_placement_release();
	assert_true(floats(0));
}

TEST(staying_needs_no_system_call)
{
	int before;

	assert_true(kvfree_placement_follow(here, own_tid()));
	before = nr_calls;
	assert_true(kvfree_placement_follow(here, own_tid()));
	assert_int_equal(nr_calls, before);
}

TEST(what_cannot_be_followed_leaves_the_worker_floating)
{
	static const int nowhere[] = { -1, CPU_SETSIZE, CPU_SETSIZE + 1,
		INT_MAX, INT_MIN };
	size_t i;

	for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		assert_true(kvfree_placement_follow(here, own_tid()));
		assert_false(kvfree_placement_follow(nowhere[i], own_tid()));
		assert_true(floats(0));
	}
}

TEST(nothing_is_followed_if_workers_are_to_float)
{
	kvfree_placement_start(false);
	assert_false(kvfree_placement_follow(here, own_tid()));
	assert_true(floats(0));
}

/* ------------------------------------------------------------------ */
/* Masks                                                              */

TEST(a_worker_stays_inside_its_own_mask)
{
	pin(here);
	assert_false(kvfree_placement_follow(there, own_tid()));
	assert_true(is_on(0, here));
	/* There it is already. */
	assert_true(kvfree_placement_follow(here, own_tid()));
	assert_true(is_on(0, here));
	assert_false(kvfree_placement_tick());
}

/* As with taskset, which knows nothing of us. */
TEST(a_mask_set_from_outside_meanwhile_is_kept)
{
	assert_true(kvfree_placement_follow(here, own_tid()));
	pin(there);
	kvfree_placement_tick();
	kvfree_placement_tick();
	assert_true(is_on(0, there));
	kvfree_placement_release();
	assert_true(is_on(0, there));
	assert_false(kvfree_placement_follow(here, own_tid()));
}

/* ------------------------------------------------------------------ */
/* K19: isolated processors                                           */

static void write_list(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", cpu_dir, name);
	file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		abort();
}

/* Whether each of the two processors is followed with these lists. */
static void check_lists(const char *isolated, const char *nohz_full,
		bool to_here, bool to_there)
{
	write_list("isolated", isolated);
	write_list("nohz_full", nohz_full);
	kvfree_placement_start(true);
	assert_int_equal(kvfree_placement_follow(here, 0), to_here);
	assert_int_equal(kvfree_placement_follow(there, 0), to_there);
	kvfree_placement_release();
	assert_true(floats(0));
}

TEST(isolated_processors_are_left_alone)
{
	char only[32], among[64], both[64];

	strcpy(cpu_dir + strlen(cpu_dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(cpu_dir));
	kvfree_check_cpu_dir = cpu_dir;
	snprintf(only, sizeof(only), "%d\n", there);
	snprintf(among, sizeof(among), "%d-%d,1000,%d\n", there + 1,
		there + 3, there);
	snprintf(both, sizeof(both), "%d-%d\n", here, there + 5);
	check_lists("\n", "(null)\n", true, true);
	check_lists(only, "\n", true, false);
	check_lists("\n", only, true, false);
	check_lists(among, "\n", true, false);
	check_lists(both, "\n", false, false);
	check_lists("900-950,1000\n", "", true, true);
	check_lists("1020-99999999999999999999,5000\n", "-,x", true, true);
}

/* ------------------------------------------------------------------ */
/* Owners                                                             */

/* False where this is refused. */
static bool owner_becomes(int policy, int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	return syscall(SYS_sched_setscheduler, owner.tid, policy, &param) == 0;
}

static bool owner_becomes_deadline(void)
{
	const struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { sizeof(attr), 6, 0, 0, 0, 1000000, 100000000, 100000000 };

	return syscall(SYS_sched_setattr, owner.tid, &attr, 0) == 0;
}

static void check_not_followed(void)
{
	assert_false(kvfree_placement_follow(there, owner.tid));
	assert_true(floats(0));
}

TEST(a_real_time_owner_is_not_followed)
{
	owner_begin();
	if (!owner_becomes(SCHED_FIFO, 1))
		kvtest_skip("no right to be SCHED_FIFO");
	check_not_followed();
	assert_true(owner_becomes(SCHED_FIFO | SCHED_RESET_ON_FORK,
		1));
	check_not_followed();
	assert_true(owner_becomes(SCHED_RR, 1));
	check_not_followed();
	if (owner_becomes_deadline())
		check_not_followed();
	else
		print_message("no SCHED_DEADLINE here\n");
}

TEST(a_fair_owner_is_followed)
{
	owner_begin();
	assert_true(owner_becomes(SCHED_BATCH, 0));
	assert_true(kvfree_placement_follow(here, owner.tid));
	assert_true(owner_becomes(SCHED_IDLE, 0));
	assert_true(kvfree_placement_follow(there, owner.tid));
}

TEST(an_owner_that_has_ended_is_followed)
{
	owner_begin();
	owner_end();
	assert_true(kvfree_placement_follow(there, owner.tid));
	assert_true(is_on(0, there));
}

/* Each owner is looked at, and after a tick each of them again. */
TEST(a_worker_leaves_when_an_owner_becomes_real_time)
{
	owner_begin();
	assert_true(kvfree_placement_follow(there, owner.tid));
	if (!owner_becomes(SCHED_FIFO, 1))
		kvtest_skip("no right to be SCHED_FIFO");
	kvfree_placement_tick();
	check_not_followed();
	assert_true(kvfree_placement_follow(there, own_tid()));
	check_not_followed();
}

/* ------------------------------------------------------------------ */
/* The tick                                                           */

TEST(the_tick_says_whether_a_worker_is_bound)
{
	assert_false(kvfree_placement_tick());
	assert_true(kvfree_placement_follow(here, own_tid()));
	assert_true(kvfree_placement_tick());
	kvfree_placement_release();
	assert_false(kvfree_placement_tick());
}

TEST(a_worker_with_progress_stays_bound)
{
	int i;

	assert_true(kvfree_placement_follow(here, own_tid()));
	for (i = 0; i < 4; i++) {
		kvfree_placement_tick();
		assert_true(is_on(0, here));
		assert_true(kvfree_placement_follow(here, own_tid()));
	}
}

/* From the second tick on that finds it as it was. */
static void evict_from(int cpu)
{
	assert_true(kvfree_placement_follow(cpu, own_tid()));
	kvfree_placement_tick();
	assert_true(is_on(0, cpu));
	kvfree_placement_tick();
	assert_true(floats(0));
}

TEST(a_worker_without_progress_is_unbound)
{
	evict_from(there);
	/* It is still watched, as it does not know yet. */
	assert_true(kvfree_placement_tick());
	assert_true(floats(0));
	kvfree_placement_release();
	assert_true(floats(0));
	assert_false(kvfree_placement_tick());
}

TEST(a_processor_that_gave_no_time_is_left_alone)
{
	evict_from(there);
	assert_false(kvfree_placement_follow(there, own_tid()));
	assert_true(floats(0));
	assert_true(kvfree_placement_follow(here, own_tid()));
}

static bool follows_again(void *unused)
{
	(void) unused;
	return kvfree_placement_follow(there, own_tid());
}

TEST(it_is_tried_again_after_some_time)
{
	evict_from(there);
	assert_true(kvtest_wait(follows_again, NULL, KVTEST_LONG));
	assert_true(is_on(0, there));
}

/* ------------------------------------------------------------------ */
/* A bound worker holds no lock; otherwise these tests hang           */

static bool comes_in_bound;

static void tick_comes_in(void)
{
	comes_in_bound = kvfree_placement_tick();
}

TEST(the_tick_may_come_while_a_worker_binds_itself)
{
	in_change = tick_comes_in;
	assert_true(kvfree_placement_follow(there, own_tid()));
	assert_true(comes_in_bound);
	assert_true(is_on(0, there));
}

/* More than once: so it has seen no progress. */
static void ticks_come_in(void)
{
	tick_comes_in();
	tick_comes_in();
	tick_comes_in();
}

TEST(the_tick_may_come_while_a_worker_unbinds_itself)
{
	assert_true(kvfree_placement_follow(there, own_tid()));
	in_change = ticks_come_in;
	kvfree_placement_release();
	assert_true(comes_in_bound);
	assert_true(floats(0));
	assert_false(kvfree_placement_tick());
}

/* Nothing has taken time from the worker yet. */
TEST(a_worker_on_its_way_is_not_unbound)
{
	in_change = ticks_come_in;
	assert_true(kvfree_placement_follow(there, own_tid()));
	in_change = NULL;
	assert_true(is_on(0, there));
	assert_true(kvfree_placement_follow(there, own_tid()));
	assert_true(is_on(0, there));
}

static bool stayed;

static void worker_comes_in(void)
{
	in_tick = NULL;
	/* The tick has made it look at the owner again. */
	stayed = kvfree_placement_follow(there, own_tid());
}

TEST(a_bound_worker_does_not_wait_for_the_tick)
{
	assert_true(kvfree_placement_follow(there, own_tid()));
	kvfree_placement_tick();
	in_tick = worker_comes_in;
	kvfree_placement_tick();
	assert_true(stayed);
}

/* ------------------------------------------------------------------ */
/* A real-time thread takes the processor                             */

static struct {
	pid_t tid;		/* atomic: the worker's, when it is bound */
	int spins;		/* atomic: the spinner has the processor */
	int leave;		/* atomic: both end */
	bool is_fifo;
} taken;

static bool leaves(void)
{
	return __atomic_load_n(&taken.leave, __ATOMIC_ACQUIRE);
}

static void *spinner(void *unused)
{
	const struct sched_param param = { .sched_priority = 1 };

	(void) unused;
	pin(there);
	taken.is_fifo = pthread_setschedparam(pthread_self(), SCHED_FIFO,
			&param) == 0;
	__atomic_store_n(&taken.spins, 1, __ATOMIC_RELEASE);
	while (taken.is_fifo && !leaves())
		caa_cpu_relax();
	return NULL;
}

/* Comes and goes all the time: so it is preempted anywhere. */
static void *restless(void *unused)
{
	(void) unused;
	while (!leaves()) {
		kvfree_placement_follow(there, 0);
		__atomic_store_n(&taken.tid, own_tid(), __ATOMIC_RELEASE);
		kvfree_placement_release();
	}
	return NULL;
}

/* Bound until the end, and makes no progress. */
static void *bound(void *unused)
{
	bool follows = kvfree_placement_follow(there, 0);

	(void) unused;
	if (!follows)
		abort();
	__atomic_store_n(&taken.tid, own_tid(), __ATOMIC_RELEASE);
	while (!leaves())
		caa_cpu_relax();
	kvfree_placement_release();
	return NULL;
}

static bool has_tid(void *unused)
{
	(void) unused;
	return __atomic_load_n(&taken.tid, __ATOMIC_ACQUIRE) != 0;
}

static bool spins(void *unused)
{
	(void) unused;
	return __atomic_load_n(&taken.spins, __ATOMIC_ACQUIRE);
}

static bool floats_after_a_tick(void *unused)
{
	(void) unused;
	kvfree_placement_tick();
	return floats(__atomic_load_n(&taken.tid, __ATOMIC_ACQUIRE));
}

/* Until the tick has unbound it, with the processor still taken. */
static void check_taken(void *(*worker)(void *))
{
	pthread_t worker_thread, spinner_thread;
	bool got_out;

	memset(&taken, 0, sizeof(taken));
	worker_thread = kvtest_thread(worker, NULL);
	assert_true(kvtest_wait(has_tid, NULL, KVTEST_LONG));
	spinner_thread = kvtest_thread(spinner, NULL);
	assert_true(kvtest_wait(spins, NULL, KVTEST_LONG));
	got_out = kvtest_wait(floats_after_a_tick, NULL, KVTEST_LONG);
	__atomic_store_n(&taken.leave, 1, __ATOMIC_RELEASE);
	kvtest_join(worker_thread);
	kvtest_join(spinner_thread);
	assert_true(got_out);
	if (!taken.is_fifo)
		kvtest_skip("no right to be SCHED_FIFO");
}

TEST(a_worker_under_a_real_time_thread_gets_away)
{
	check_taken(bound);
}

TEST(so_does_one_that_comes_and_goes)
{
	check_taken(restless);
}

/* ------------------------------------------------------------------ */
/* O6: where the system refuses                                       */

TEST(a_processor_that_went_away_is_asked_for_again)
{
	refuse_set = EINVAL;
	assert_false(kvfree_placement_follow(there, own_tid()));
	assert_false(kvfree_placement_tick());
	refuse_set = 0;
	assert_true(kvfree_placement_follow(there, own_tid()));
}

struct filtered {
	const int *numbers;	/* system calls that are refused */
	bool is_filtered, follows, floats;
	int first, later;	/* changes of the mask that were tried */
};

static void *filtered_worker(void *arg)
{
	struct filtered *filtered = arg;
	int before = nr_set;

	filtered->is_filtered = kvrefuse(filtered->numbers);
	if (!filtered->is_filtered)
		return NULL;
	filtered->follows = kvfree_placement_follow(there, own_tid());
	filtered->first = nr_set - before;
	filtered->follows |= kvfree_placement_follow(here, own_tid());
	filtered->follows |= kvfree_placement_follow(there, own_tid());
	kvfree_placement_release();
	filtered->later = nr_set - before - filtered->first;
	filtered->floats = floats(0);
	return NULL;
}

static struct filtered filtered(const int *numbers)
{
	struct filtered filtered = { .numbers = numbers };

	kvtest_on_thread(filtered_worker, &filtered);
	if (!filtered.is_filtered)
		kvtest_skip("the kernel allows no filter");
	return filtered;
}

TEST(a_refusal_is_met_once)
{
	static const int numbers[] = { SYS_sched_setaffinity, -1 };
	struct filtered worker = filtered(numbers);

	assert_false(worker.follows);
	assert_true(worker.floats);
	assert_int_equal(worker.first, 1);
	assert_int_equal(worker.later, 0);
	assert_false(kvfree_placement_tick());
}

TEST(an_owner_of_unknown_policy_is_not_followed)
{
	static const int numbers[] = { SYS_sched_getscheduler, -1 };
	struct filtered worker = filtered(numbers);

	assert_false(worker.follows);
	assert_true(worker.floats);
}

/* ------------------------------------------------------------------ */
/* Many workers, and fork                                             */

#define MANY		80

static sem_t many_ready, many_leave;
static int many_bound;		/* atomic */

static void *one_of_many(void *unused)
{
	(void) unused;
	if (kvfree_placement_follow(there, 0))
		count(&many_bound);
	else if (!floats(0))
		abort();
	sem_post(&many_ready);
	while (sem_wait(&many_leave))
		;
	kvfree_placement_release();
	if (!floats(0))
		abort();
	return NULL;
}

TEST(what_finds_no_seat_floats)
{
	pthread_t threads[MANY];
	int i;

	sem_init(&many_ready, 0, 0);
	sem_init(&many_leave, 0, 0);
	many_bound = 0;
	for (i = 0; i < MANY; i++)
		threads[i] = kvtest_thread(one_of_many, NULL);
	for (i = 0; i < MANY; i++)
		while (sem_wait(&many_ready))
			;
	for (i = 0; i < MANY; i++)
		sem_post(&many_leave);
	for (i = 0; i < MANY; i++)
		kvtest_join(threads[i]);
	assert_in_range(many_bound, 1, MANY - 1);
	assert_false(kvfree_placement_tick());
}

static int in_child(void)
{
	kvfree_placement_fork_reset();
	if (!floats(0) || kvfree_placement_tick())
		return 1;
	return kvfree_placement_follow(there, 0) && is_on(0, there) ? 0 : 2;
}

TEST(a_child_of_a_bound_worker_floats)
{
	int status;
	pid_t pid;

	assert_true(kvfree_placement_follow(here, own_tid()));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(in_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(is_on(0, here));
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_worker_is_bound_until_it_is_released),
		test(a_worker_follows_from_one_processor_to_another),
		test(staying_needs_no_system_call),
		test(what_cannot_be_followed_leaves_the_worker_floating),
		test(nothing_is_followed_if_workers_are_to_float),
		test(a_worker_stays_inside_its_own_mask),
		test(a_mask_set_from_outside_meanwhile_is_kept),
		test(isolated_processors_are_left_alone),
		test(a_real_time_owner_is_not_followed),
		test(a_fair_owner_is_followed),
		test(an_owner_that_has_ended_is_followed),
		test(a_worker_leaves_when_an_owner_becomes_real_time),
		test(the_tick_says_whether_a_worker_is_bound),
		test(a_worker_with_progress_stays_bound),
		test(a_worker_without_progress_is_unbound),
		test(a_processor_that_gave_no_time_is_left_alone),
		test(it_is_tried_again_after_some_time),
		test(the_tick_may_come_while_a_worker_binds_itself),
		test(the_tick_may_come_while_a_worker_unbinds_itself),
		test(a_worker_on_its_way_is_not_unbound),
		test(a_bound_worker_does_not_wait_for_the_tick),
		test(a_worker_under_a_real_time_thread_gets_away),
		test(so_does_one_that_comes_and_goes),
		test(a_processor_that_went_away_is_asked_for_again),
		test(a_refusal_is_met_once),
		test(an_owner_of_unknown_policy_is_not_followed),
		test(what_finds_no_seat_floats),
		test(a_child_of_a_bound_worker_floats),
	};

	if (!find_processors()) {
		puts("SKIP: there is only one processor to run on");
		return 77;
	}
	return kvtest_run(tests);
}
