/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * start.c - start and exit
 */

#include "area.h"
#include "count.h"
#include "debug.h"
#include "service.h"
#include "start.h"
#include "timer.h"

/* The most rounds over all domains in which exit frees what free functions queue anew. */
#define EXIT_ROUNDS	1000

pthread_mutex_t kvfree_start_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t kvfree_idle_lock = PTHREAD_MUTEX_INITIALIZER;

int kvfree_state;		/* atomic */
static uint64_t failed_msec;	/* atomic: when a start failed; 0: none did */

void kvfree_stopped(void)
{
	/* Release: as all stores of the state. */
	if (kvfree_is_running())
		__atomic_store_n(&kvfree_state, KVFREE_STATE_STOPPED, __ATOMIC_RELEASE);
	/* Relaxed: a hint. A start may succeed in the child of a fork where it failed in
	 * the parent. */
	__atomic_store_n(&failed_msec, 0, __ATOMIC_RELAXED);
}

/* Not inlined: tests/proofs/disasm.pl knows it by name. */
__attribute__((noinline)) void kvfree_say_idle(void)
{
	static bool told;	/* atomic */

	/* Relaxed: whichever thread comes first says it. */
	if (!kvfree_is_running() && !__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		kvfree_warn("raw calls have queued objects that nothing will free: the library does not run after a fork() without its hooks, after urcu_kvfree_exit() or a failed start, and raw calls cannot start it; call urcu_kvfree_init()");
}

/* With debugging on the raw calls say it themselves. */
static __attribute__((destructor)) void say_at_last(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_domain(domain)
		if (kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET))
			kvfree_say_idle();
}

/* ------------------------------------------------------------------ */
/* Start                                                              */

/*
 * If @conf or the settings in force ask for it. Not under start_lock: a constructor in
 * dlopen() holds the dynamic linker's lock, for which this may wait, and may wait for
 * start_lock in urcu_kvfree_init(). 0, or an error number.
 */
static int start_debugging(const struct kvfree_conf *conf)
{
	if (!conf->debug && !kvfree_setting(debug))
		return 0;
	return kvfree_debug_start() ? errno : 0;
}

/* Caller holds start_lock. @error: of start_debugging(). */
static int start_locked(const struct urcu_kvfree_attr *attr,
		const struct kvfree_conf *conf, int error)
{
	if (kvfree_is_running())
		return 0;
	if (kvfree_record_make_key())
		return -1;
	/* A start without attributes keeps those of an earlier start, which had workers: the
	 * child of a fork() and a start after exit go on as before. */
	if (attr || !kvfree_setting(workers))
		kvfree_conf_publish(conf);
	if (kvfree_setting(debug) && !kvfree_debug_is_started()) {
		/* Without one here, another start asked for debugging meanwhile, and
		 * had no memory for it. */
		errno = error ? error : ENOMEM;
		return -1;
	}
	if (kvfree_service_start())
		return -1;
	/* Release: pairs with kvfree_is_running(). */
	__atomic_store_n(&kvfree_state, KVFREE_STATE_RUNNING, __ATOMIC_RELEASE);
	return 0;
}

/* Caller holds start_lock. errno is kept. */
static void start_failed(void)
{
	static bool told;	/* under start_lock */
	int saved = errno;

	/* Release, as all stores of the state; nobody relies on what comes before this one. */
	__atomic_store_n(&kvfree_state, KVFREE_STATE_STOPPED, __ATOMIC_RELEASE);
	/* Relaxed: a hint; an attempt more or less does no harm. */
	__atomic_store_n(&failed_msec, kvfree_now_msec(), __ATOMIC_RELAXED);
	if (!told)
		/* The number: strerror() may ask the dynamic linker. */
		kvfree_warn("cannot start (no descriptors, threads or memory, say): errno %d. A later call tries again; until then _mightsleep calls wait for grace periods and free, and what raw calls queue waits",
			saved);
	told = true;
	errno = saved;
}

/* False too soon after a start that failed. */
static bool may_try(void)
{
	uint64_t failed = __atomic_load_n(&failed_msec, __ATOMIC_RELAXED);

	return !failed || kvfree_now_msec() - failed >= kvfree_setting(refill_backoff_msec);
}

/* Take start_lock. A start that the caller did not ask for must not @wait for it: a thread
 * between the hooks of a fork holds it, and may wait for this one. */
static bool lock_start(bool wait)
{
	if (!wait)
		return kvfree_mutex_trylock(&kvfree_start_lock, KVFREE_RANK_START);
	kvfree_mutex_lock(&kvfree_start_lock, KVFREE_RANK_START);
	return true;
}

static int start(const struct urcu_kvfree_attr *attr, bool wait)
{
	struct kvfree_conf conf;
	int error, ret;

	/* A bad attribute: nothing was tried. The system's EINVAL is a start that failed. */
	if (kvfree_conf_resolve(&conf, attr))
		return -1;
	error = start_debugging(&conf);
	if (!lock_start(wait))
		return -1;
	ret = start_locked(attr, &conf, error);
	if (ret)
		start_failed();
	kvfree_mutex_unlock(&kvfree_start_lock);
	return ret;
}

/* The caller saw that nothing runs. Not inlined: here raw code ends, for tests/proofs/disasm.pl. */
static __attribute__((noinline)) int runtime_start(const struct urcu_kvfree_attr *attr, bool wait)
{
	unsigned char claiming = kvfree_tls.claiming;
	int ret, cancel;

	/* Not in a free function: exit and before_fork hold start_lock while they
	 * wait for free functions. */
	if (kvfree_freeing) {
		errno = EDEADLK;
		return -1;
	}
	/* An allocator hook that queues comes back here while the start
	 * allocates: claiming tells it that this thread is busy. */
	kvfree_tls.claiming = 1;
	kvfree_signal_fence();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = start(attr, wait);
	pthread_setcancelstate(cancel, NULL);
	kvfree_signal_fence();
	kvfree_tls.claiming = claiming;
	return ret;
}

/* Not inlined: as runtime_start(). */
__attribute__((noinline)) void kvfree_start_clean(void)
{
	if (!kvfree_is_running() && !kvfree_tls.claiming && may_try())
		runtime_start(NULL, false);
}

void kvfree_start_raw(void)
{
	/* Acquire: as in kvfree_is_running(). */
	if (caa_unlikely(__atomic_load_n(&kvfree_state, __ATOMIC_ACQUIRE) == KVFREE_STATE_NEVER))
		kvfree_start_clean();
}

int urcu_kvfree_init(const struct urcu_kvfree_attr *attr)
{
	unsigned int online = 0;
	int ret;

	if (kvfree_is_running())
		return 0;
	/* The holder of start_lock may wait for a grace period, and so for this thread. */
	kvfree_enter_wait_try(&online);
	ret = runtime_start(attr, true);
	kvfree_leave_wait(online);
	return ret;
}

/* ------------------------------------------------------------------ */
/* Exit                                                               */

/* Free functions may queue more, on any domain. A round that frees nothing is the last: an object
 * that another thread was about to queue at a fork is counted in the child but is not there. */
static void empty_all(void)
{
	uint64_t before, pending, freed = 0;
	struct kvfree_domain *domain;
	unsigned int rounds = 0;

	do {
		before = freed;
		pending = freed = 0;
		kvfree_for_each_domain(domain)
			kvfree_barrier(domain);
		kvfree_for_each_domain(domain) {
			pending += kvfree_count_pending(domain, true);
			freed += kvfree_count_freed(domain);
		}
	} while (pending && freed != before && ++rounds < EXIT_ROUNDS);
	if (rounds == EXIT_ROUNDS)
		kvfree_warn("urcu_kvfree_exit(): free functions have queued more in each of %d rounds; what is left waits for the next start",
			EXIT_ROUNDS);
}

static void exit_locked(void)
{
	struct kvfree_domain *domain;

	if (kvfree_is_running()) {
		/* First: a free function that this waits for must not find the library running. */
		kvfree_stopped();
		kvfree_service_stop();
	}
	kvfree_for_each_domain(domain)
		kvfree_record_leave(domain);
	empty_all();
	kvfree_for_each_domain(domain) {
		kvfree_cache_drop(domain, true);
		kvfree_record_free_all(domain);
		kvfree_gate_open(&domain->kick_gate);
		kvfree_gate_open(&domain->blank_gate);
	}
	kvfree_gate_open(&kvfree_timer.tick_gate);
	kvfree_refill_reset();
	kvfree_area_release();
}

void urcu_kvfree_exit(void)
{
	unsigned int online;

	if (kvfree_freeing) {
		kvfree_warn("urcu_kvfree_exit() called from a free function; ignored");
		return;
	}
	/* Before the workers are joined: one may wait for this very thread. */
	online = kvfree_enter_wait("urcu_kvfree_exit()");
	lock_start(true);
	/* A free function that runs here may call the library: it must not start it. */
	kvfree_tls.claiming = 1;
	kvfree_signal_fence();
	exit_locked();
	kvfree_signal_fence();
	kvfree_tls.claiming = 0;
	kvfree_mutex_unlock(&kvfree_start_lock);
	kvfree_leave_wait(online);
}
