/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * singlestep.c - a raw call that stops anywhere stops nobody else
 *
 * One thread, the victim, makes a raw call under ptrace, one instruction at
 * a time. At each instruction it stays parked until objects that another
 * thread queued meanwhile, through pages and through the emergency list, have
 * been freed. That is lock-freedom shown instruction by instruction.
 *
 * The tracer is the parent process. The child holds the library, the victim
 * and the producer. Both talk through a shared page. This program is linked to a
 * library with 4 records per page, so that pages fill up.
 *
 * Two set-ups: "tick" with kicks out of reach, so that the tick timer alone
 * drains; "kick" with ticks out of reach, so that the kick timer alone does.
 *
 * KVFREE_PROOF_BOUND_MSEC: how long progress may take before it counts as none.
 */

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "count.h"
#include "proof.h"
#include "timer.h"

#define FAR		60000	/* a drain_msec that never comes */
#define MANY		((size_t) 1 << 30) /* batch_bytes that never fill */
#define STASH_PAGES	(2 * KVFREE_MAX_TARGET)
/* How long the producer waits for a gate to open that the victim may find. */
#define QUIET_MSEC	4
/* Instructions in one call beyond which it is not bounded. */
#define STEPS_MAX	20000

enum path {
	FAST,		/* room in the current page */
	FULL,		/* the current page is full, the cache has one */
	EMPTY,		/* no page at all: emergency list, refill */
	TRY_EMPTY,	/* the same, head-less: false */
	HELD,		/* the record's lock is held */
	CLAIM,		/* no record, a blank one is there */
	NO_BLANK,	/* no record, none is there: emergency list */
	CHANNEL,	/* a channel of the program's own */
	PATHS,
};

static const char *const path_names[PATHS] = {
	"fast", "page full", "cache empty", "try, cache empty", "lock held",
	"claim a blank record", "no blank record", "channel",
};

enum kind { BY_PAGE, BY_EMERGENCY, KINDS };

struct shared {
	int victim;		/* its thread id, once it waits */
	int path, go, done;	/* tracer to victim and back */
	int inside;		/* victim: inside the call, no hook runs */
	int finish;		/* tracer to child: stop */
	long step;		/* instructions at which the victim parked */
	long freed[KINDS];	/* youngest step whose object was freed */
	long quiet;		/* youngest step whose objects are all freed */
	long taken[PATHS];	/* calls that took the path they were to take */
};

struct object {
	struct rcu_head head;
	enum kind kind;
	long step;		/* the victim was parked there meanwhile */
};

static struct shared *shared;
static const struct rcu_flavor_struct *flavor;
static struct urcu_kvfree_channel *channel;
static bool kick_driven;
static unsigned int bound_msec = 20000;

/* ------------------------------------------------------------------ */
/* The producer                                                       */

static void count_freed(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	for (i = 0; i < nr; i++) {
		struct object *object = ptrs[i];
		long *youngest = &shared->freed[object->kind];
		long seen = proof_load(youngest);

		while (object->step > seen &&
		       !__atomic_compare_exchange_n(youngest, &seen,
				object->step, false, __ATOMIC_SEQ_CST,
				__ATOMIC_SEQ_CST))
			;
		free(object);
	}
}

static struct object *new_object(enum kind kind)
{
	struct object *object = malloc(sizeof(*object));

	proof_require(object != NULL, "no memory");
	object->kind = kind;
	object->step = proof_load(&shared->step);
	return object;
}

static void produce(struct kvfree_record *record)
{
	struct object *object = new_object(BY_PAGE);

	urcu_kvfree_rcu_channel_flavor(flavor, object, head, channel);
	/* What a handler finds that interrupted a call of its own thread. */
	object = new_object(BY_EMERGENCY);
	kvfree_record_lock(record);
	urcu_kvfree_rcu_channel_flavor(flavor, object, head, channel);
	kvfree_record_unlock(record);
}

/*
 * Make @record look idle for long, so that no tick is needed to shrink its
 * cache: the gate then stays open until somebody queues.
 */
static void calm(struct kvfree_record *record)
{
	kvfree_record_lock(record);
	record->pages_used = record->pages_out = 0;
	record->idle_ticks = KVFREE_IDLE_TICKS;
	kvfree_record_unlock(record);
}

static bool all_freed(long step)
{
	return proof_load(&shared->freed[BY_PAGE]) >= step &&
		proof_load(&shared->freed[BY_EMERGENCY]) >= step;
}

static bool gate_open(void)
{
	return !(proof_load(kick_driven ?
			&kvfree_domain_get(flavor)->kick_gate.word :
			&kvfree_timer.tick_gate.word) & 1);
}

/* For whoever has to find out why nothing is freed. */
static void say_state(const struct kvfree_record *record)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);

	proof_say("tick gate %u, kick gate %u, closed pages %u, emergency list %p of %llu, chain %p, uncovered %zu, grace periods %lu of %lu, since %llu, kicks %llu; producer: page %p, cache %u; step %ld, freed %ld in pages, %ld on the list; queued %llu, freed %llu",
		kvfree_timer.tick_gate.word, domain->kick_gate.word,
		record->closed[KVFREE_CLOSED_USER].nr,
		(void *) domain->emergency[KVFREE_EMERGENCY_USER],
		(unsigned long long) domain->count.emergency,
		(void *) domain->chain[KVFREE_EMERGENCY_USER].head,
		domain->uncovered,
		domain->gp.completed, domain->gp.started,
		(unsigned long long) domain->gp.since_msec,
		(unsigned long long) domain->count.kicks,
		(void *) record->open[KVFREE_CHANNEL_USER],
		record->nr_cached, shared->step, shared->freed[BY_PAGE],
		shared->freed[BY_EMERGENCY],
		(unsigned long long) kvfree_count_queued(domain, false),
		(unsigned long long) kvfree_count_freed(domain));
}

static void produce_some(struct kvfree_record *record)
{
	unsigned int i;

	for (i = 0; i < (kick_driven ? 2 * KVFREE_PAGE_PTRS : 1); i++)
		produce(record);
	calm(record);
}

/*
 * A worker that finds the producer's lock held leaves its pages for the next
 * tick. Where ticks are out of reach it takes another kick.
 */
static void until_freed(struct kvfree_record *record, long step)
{
	uint64_t end = kvtest_msec() + bound_msec / 2;
	unsigned int waits = 0;

	while (!all_freed(step)) {
		usleep(50);
		if (kick_driven && ++waits % 20 == 0)
			produce_some(record);
		if (kvtest_msec() > end) {
			say_state(record);
			end += 1000000;
		}
	}
}

/*
 * For each step: queue, wait until it is freed, and then until the gate is
 * open, so that the victim's next step may be the one that takes one. While
 * the victim holds its lock workers look again and again, and the tick gate is hardly
 * ever open: hence the limit.
 */
static void *producer(void *arg)
{
	struct kvfree_record *record = proof_record(flavor);
	uint64_t end;
	long now, last = 0;

	(void) arg;
	while (!proof_load(&shared->finish)) {
		now = proof_load(&shared->step);
		if (now == last) {
			usleep(50);
			continue;
		}
		produce_some(record);
		until_freed(record, now);
		end = kvtest_msec() + QUIET_MSEC;
		while (!gate_open() && kvtest_msec() < end)
			usleep(50);
		proof_store(&shared->quiet, now);
		last = now;
	}
	return NULL;
}

/* ------------------------------------------------------------------ */
/* The victim                                                         */

static struct kvfree_record *mine;		/* the victim's record */
static struct kvfree_page *stash[STASH_PAGES];	/* pages kept out of reach */
static unsigned int nr_stash;
static struct object *spare[4 * KVFREE_PAGE_PTRS];	/* to fill pages with */
static unsigned int nr_spare;
static enum path path;
static __thread bool is_victim;

static void stash_cache(void)
{
	while (mine->cache && nr_stash < STASH_PAGES) {
		stash[nr_stash++] = mine->cache;
		mine->cache = mine->cache->next;
		mine->nr_cached--;
	}
}

/* A current page with room; the victim holds the lock. */
static void give_page(unsigned int number)
{
	struct kvfree_page *page = mine->open[number];

	if (!page && nr_stash) {
		page = stash[--nr_stash];
		page->nr = 0;
		page->record = mine;
		page->channel = number;
		page->limit = KVFREE_PAGE_PTRS;
		mine->open[number] = page;
	}
	if (page && page->nr >= KVFREE_PAGE_PTRS)
		spare[nr_spare++] = page->ptrs[--page->nr];
}

static void fill_page(unsigned int number)
{
	struct kvfree_page *page = mine->open[number];

	while (page && nr_spare && page->nr < KVFREE_PAGE_PTRS)
		page->ptrs[page->nr++] = spare[--nr_spare];
	if (!mine->cache && nr_stash)
		kvfree_cache_push(mine, stash[--nr_stash]);
}

/* No page to be had: what is queued is closed, without a kick. */
static void take_pages(unsigned int number)
{
	kvfree_record_close(mine, number);
	stash_cache();
}

/*
 * Ticks close the victim's pages while it is parked before the lock, so the
 * state that leads down the path is made here, under the lock.
 */
static void hook(enum kvfree_hook_place place)
{
	if (!is_victim || place != KVFREE_HOOK_RAW_LOCKED || !mine)
		return;
	proof_store(&shared->inside, 0);
	switch (path) {
	case FAST:
		give_page(KVFREE_CHANNEL_MALLOC);
		break;
	case FULL:
		give_page(KVFREE_CHANNEL_MALLOC);
		fill_page(KVFREE_CHANNEL_MALLOC);
		break;
	case EMPTY:
	case TRY_EMPTY:
		take_pages(KVFREE_CHANNEL_MALLOC);
		break;
	case CHANNEL:
		give_page(KVFREE_CHANNEL_USER);
		break;
	default:
		break;
	}
	proof_store(&shared->inside, 1);
}

/* The call under test; the only code in which the victim is parked. */
static bool call(struct object *object)
{
	bool done = true;

	proof_store(&shared->inside, 1);
	if (path == TRY_EMPTY)
		done = urcu_kvfree_rcu_try_flavor(flavor, object);
	else if (path == CHANNEL)
		urcu_kvfree_rcu_channel_flavor(flavor, object, head, channel);
	else
		urcu_kvfree_rcu_flavor(flavor, object, head);
	proof_store(&shared->inside, 0);
	return done;
}

static uint64_t emergencies(void)
{
	return proof_load(&kvfree_domain_get(flavor)->count.emergency);
}

static void blanks_away(struct kvfree_domain *domain, bool away)
{
	unsigned int i;

	if (!away)
		kvfree_refill.fn(&kvfree_refill);
	for (i = 0; away && i < KVFREE_BLANKS; i++) {
		struct kvfree_record *blank;

		blank = __atomic_exchange_n(&domain->blank[i], NULL,
				__ATOMIC_SEQ_CST);
		if (blank)
			kvfree_record_give_back(blank);
	}
}

/* The state before the call, as far as it holds without the lock. */
static void prepare(void)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	unsigned int i;

	mine = NULL;
	if (path == CLAIM || path == NO_BLANK) {
		urcu_kvfree_unregister_thread_flavor(flavor);
		blanks_away(domain, path == NO_BLANK);
		return;
	}
	mine = proof_record(flavor);
	/* Some room stays, for what give_page() takes out. */
	while (nr_spare < 3 * KVFREE_PAGE_PTRS)
		spare[nr_spare++] = new_object(BY_PAGE);
	for (i = 0; i < 4; i++) {
		struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

		proof_require(page != NULL, "no memory");
		kvfree_record_lock(mine);
		kvfree_cache_push(mine, page);
		stash_cache();
		kvfree_record_unlock(mine);
	}
	calm(mine);
}

/* Give the victim's record back what was kept from it. */
static void tidy(void)
{
	mine = proof_record(flavor);
	kvfree_record_lock(mine);
	while (nr_stash)
		kvfree_cache_push(mine, stash[--nr_stash]);
	kvfree_record_unlock(mine);
	calm(mine);
}

static void one_call(void)
{
	struct object *object = new_object(BY_PAGE);
	struct kvfree_record *held = NULL;
	bool queued;

	/* Freed by free(), so that the producer's alone count as progress,
	 * but for the one of the channel. */
	object->step = 0;
	prepare();
	if (path == HELD) {
		held = mine;
		kvfree_record_lock(held);
	}
	proof_store(&shared->victim, (int) syscall(SYS_gettid));
	while (proof_load(&shared->go) < 2)
		caa_cpu_relax();
	queued = call(object);
	proof_store(&shared->done, 1);
	if (held)
		kvfree_record_unlock(held);
	if (!queued)
		free(object);
	shared->taken[path] += path == TRY_EMPTY ? !queued : 1;
	tidy();
}

static void *victim(void *arg)
{
	(void) arg;
	is_victim = true;
	while (!proof_load(&shared->finish)) {
		if (proof_load(&shared->go) != 1) {
			usleep(100);
			continue;
		}
		path = (enum path) shared->path;
		one_call();
		proof_store(&shared->go, 0);
	}
	return NULL;
}

static int child_main(pid_t parent)
{
	pthread_t threads[2];

	proof_child(parent);
	kvfree_check_hook = hook;
	if (kick_driven)
		proof_init(FAR, 4096, 2, 0);
	else
		proof_init(1, MANY, 2, 0);
	channel = urcu_kvfree_channel_create("steps", count_freed, NULL);
	proof_require(channel != NULL, "no channel");
	threads[0] = proof_thread(victim, NULL);
	threads[1] = proof_thread(producer, NULL);
	proof_join(threads[0]);
	proof_join(threads[1]);
	proof_all_freed(flavor);
	proof_require(emergencies() > 0, "no call took the emergency list");
	proof_require(!urcu_kvfree_channel_destroy(channel), "channel");
	urcu_kvfree_exit();
	return 0;
}

/* ------------------------------------------------------------------ */
/* The tracer                                                         */

extern const char __ehdr_start[];	/* where the program is loaded */

#if defined(__x86_64__)
# define PC	rip
#elif defined(__i386__)
# define PC	eip
#elif defined(__aarch64__)
# define PC	pc
#endif

/* As addr2line(1) wants it, if it is in the program itself; 0 on other processors. */
static unsigned long program_counter(pid_t tid)
{
#ifdef PC
	struct user_regs_struct regs;
	struct iovec iov = { .iov_base = &regs, .iov_len = sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) == 0)
		return (unsigned long) regs.PC - (unsigned long) __ehdr_start;
#endif
	(void) tid;
	return 0;
}

static void wait_stopped(pid_t tid)
{
	int status;

	while (waitpid(tid, &status, __WALL) < 0)
		proof_require(errno == EINTR, "waitpid: %s", strerror(errno));
	proof_require(WIFSTOPPED(status), "the victim ended, status %#x",
		status);
}

static void step(pid_t tid)
{
	if (ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL)) {
		if (errno == EIO)
			proof_skip("the kernel takes no single steps on this processor");
		proof_fail("PTRACE_SINGLESTEP: %s", strerror(errno));
	}
	wait_stopped(tid);
}

/* The victim is parked: what the producer queues from here on gets freed. */
static void await_progress(pid_t tid, int which)
{
	long now = proof_add(&shared->step, 1);
	uint64_t end = kvtest_msec() + bound_msec;

	while (proof_load(&shared->quiet) < now) {
		if (kvtest_msec() > end)
			proof_fail("victim parked at %#lx in path '%s': what another thread queued in %s meanwhile is not freed",
				program_counter(tid), path_names[which],
				proof_load(&shared->freed[BY_PAGE]) < now ?
				"pages" : "the emergency list");
		usleep(50);
	}
}

/* Park the victim at each instruction of one call; how many there were. */
static unsigned int trace_call(pid_t tid, int which)
{
	unsigned int parked = 0, steps = 0;

	proof_require(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0,
		"PTRACE_INTERRUPT: %s", strerror(errno));
	wait_stopped(tid);
	proof_store(&shared->go, 2);
	while (!proof_load(&shared->done)) {
		step(tid);
		if (++steps > STEPS_MAX) {
#if !defined(__x86_64__)
			proof_skip("load-exclusive sequences do not survive single-stepping on this machine");
#endif
			proof_fail("a call in path '%s' takes more than %d instructions",
				path_names[which], STEPS_MAX);
		}
		if (!proof_load(&shared->inside))
			continue;
		parked++;
		await_progress(tid, which);
	}
	proof_require(ptrace(PTRACE_CONT, tid, NULL, NULL) == 0,
		"PTRACE_CONT: %s", strerror(errno));
	return parked;
}

static void trace_path(int which, bool first)
{
	unsigned int parked;
	pid_t tid;

	shared->path = which;
	proof_store(&shared->victim, 0);
	proof_store(&shared->done, 0);
	proof_store(&shared->go, 1);
	proof_wait_for(&shared->victim, 1);
	tid = shared->victim;
	if (first && ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		proof_skip("ptrace is refused: %s", strerror(errno));
	parked = trace_call(tid, which);
	while (proof_load(&shared->go))
		usleep(100);
	proof_require(parked > 5, "path '%s' was not seen", path_names[which]);
	proof_require(shared->taken[which] > 0, "path '%s' was not taken",
		path_names[which]);
	proof_say("%-4s %-20s parked at %4u instructions",
		kick_driven ? "kick" : "tick", path_names[which], parked);
}

static void run(const char *name, bool kicks)
{
	pid_t parent = getpid(), child;
	int which;

	flavor = kvtest_flavor(name);
	kick_driven = kicks;
	memset(shared, 0, sizeof(*shared));
	child = fork();
	proof_require(child >= 0, "fork: %s", strerror(errno));
	if (!child)
		_exit(child_main(parent));
	for (which = 0; which < PATHS; which++)
		trace_path(which, which == 0);
	proof_require(ptrace(PTRACE_INTERRUPT, shared->victim, NULL, NULL) == 0,
		"PTRACE_INTERRUPT: %s", strerror(errno));
	wait_stopped(shared->victim);
	ptrace(PTRACE_DETACH, shared->victim, NULL, NULL);
	proof_store(&shared->finish, 1);
	proof_reap(child, "the process of the victim");
	proof_say("%s, %s: %ld instructions, progress at each", name,
		kicks ? "kicks" : "ticks", shared->step);
}

int main(void)
{
	const char *value = getenv("KVFREE_PROOF_BOUND_MSEC");
	const struct kvtest_flavor *f;

	proof_start("singlestep", proof_long() ? 1200 : 300);
	proof_skip_instrumented();
	if (value)
		bound_msec = (unsigned int) atoi(value);
	shared = proof_shared(sizeof(*shared));
	for (f = kvtest_flavors; f->name; f++) {
		run(f->name, false);
		run(f->name, true);
		if (!proof_long())
			break;
	}
	return 0;
}
