/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef _URCU_KVFREE_H
#define _URCU_KVFREE_H

/*
 * urcu/kvfree.h - free memory after an RCU grace period, from any context
 *
 * Include a liburcu flavor first, with its API map, then this header:
 *
 *	#include <urcu.h>		// or urcu-qsbr.h, urcu-bp.h, or
 *	#include <urcu/kvfree.h>	// #define URCU_API_MAP + urcu/urcu-mb.h
 *
 *	struct node {
 *		int value;
 *		struct rcu_head head;
 *	};
 *
 *	old = rcu_xchg_pointer(&shared, new_node);
 *	urcu_kvfree_rcu(old, head);
 *
 * Unlink first, then call: an object handed to this library must already be
 * out of reach of new readers.
 *
 * The calls that most programs need:
 *
 *	urcu_kvfree_init(NULL)			clean: start the library
 *	urcu_kvfree_rcu(ptr, field)		raw: free ptr after a grace period
 *	urcu_kvfree_rcu_mightsleep(ptr)		clean: the same without a struct rcu_head
 *	urcu_kvfree_rcu_barrier()		clean: wait until all that was queued is freed
 *	urcu_kvfree_exit()			clean: free all that is queued, and stop
 *
 * Contexts. "Raw" calls may be made from anywhere: under a spinlock, from a
 * SCHED_FIFO thread, from a signal handler (whatever it interrupted), inside
 * an allocator, in a read-side critical section, in an RCU callback. They
 * never allocate, free, block, or wait for a lock, and they keep errno. All
 * other calls need a "clean" context: no spinlock held, not in a signal
 * handler. The raw guarantee holds once urcu_kvfree_init() has returned;
 * without it, the first call of the process starts the library and must be
 * made from a clean context.
 *
 * Waiting. _mightsleep, barrier, shrink, channel_destroy, before_fork and exit may
 * wait for a grace period. Their contract is that of synchronize_rcu(): the caller
 * is outside read-side critical sections, and holds no lock that a reader inside its
 * section, an RCU callback or a channel's free function may wait for. An online QSBR
 * caller is taken offline meanwhile, so it must not use pointers afterwards that it read
 * before. No other call waits for a grace period.
 *
 * Memory. Queued objects wait for a grace period, and a reader that does not leave
 * its section holds up every grace period of its flavor. RCU cannot bound memory
 * against such a reader, and neither can any setting below.
 *
 * Flavors. The calls that concern a flavor have short names, which are macros. They
 * appear when this header is included after a flavor's API map, the first time or
 * again, and mean that flavor to the end of the file. If another flavor's map replaces
 * it later, using them is an error at compile time. Each has a form that ends in
 * _flavor and takes the flavor as its first argument, for files that serve several:
 *
 *	urcu_kvfree_rcu_flavor(&urcu_qsbr_flavor, old, head);
 *
 * Unless its comment says otherwise, a call is thread-safe; raw ones are
 * async-signal-safe too, clean ones are not. In the child of a fork(), raw calls may
 * be made at once, and clean calls as far as liburcu allows: see
 * urcu_kvfree_before_fork(). Between the fork hooks, the thread that called them makes
 * only raw calls. A thread that others may cancel disables cancellation around clean calls.
 *
 * Idea and names: Linux kvfree_rcu() (commit 56292e8609e3 and later),
 * liburcu's call_rcu() and defer_rcu().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* C90 lacks bool and variadic macros: no warnings about those of this header in a program
 * that is compiled as C90 with -Wpedantic. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wvariadic-macros"

#ifdef __cplusplus
extern "C" {
#endif
/* The library itself is compiled with -fvisibility=hidden; these calls are its exports. */
#if defined(__GNUC__)
# pragma GCC visibility push(default)
#endif

struct rcu_head;
struct rcu_flavor_struct;
struct urcu_kvfree_attr;

/* liburcu's flavors, so that one file can name several of them. */
extern const struct rcu_flavor_struct urcu_memb_flavor;
extern const struct rcu_flavor_struct urcu_mb_flavor;
extern const struct rcu_flavor_struct urcu_qsbr_flavor;
extern const struct rcu_flavor_struct urcu_bp_flavor;

#define URCU_KVFREE_VERSION_MAJOR	0
#define URCU_KVFREE_VERSION_MINOR	1
#define URCU_KVFREE_VERSION_PATCH	0

/* A struct rcu_head must begin less than this many bytes into its object. */
#define URCU_KVFREE_MAX_OFFSET		4096

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

/*
 * urcu_kvfree_init() - start the library's threads
 *
 * Starts one timer thread and the workers, with all signals blocked and scheduled
 * SCHED_OTHER. Each flavor in use gets one more thread when it first needs it, to wait
 * for its grace periods. One start serves all flavors. From its return on, the raw
 * calls keep their guarantee in every thread and every state. Optional but
 * recommended: at the start of a daemon, after daemon(), and in the child of
 * a fork() that goes on to use the library.
 *
 * @attr: settings; NULL for those of an earlier start in this process or its
 * parent, or the defaults. The library keeps no reference to it.
 *
 * Returns 0, also when the library runs already (@attr is then ignored), or
 * -1 with errno: EINVAL for a bad attribute; EAGAIN, EMFILE, ENFILE, ENOMEM, EPERM
 * or another one as the failing system call left it; EDEADLK in a free function that runs
 * while urcu_kvfree_exit() stops the library. After a failure nothing is left
 * running, and what was queued before waits for a later start.
 *
 * Context: clean. Thread-safe. Not async-signal-safe. An online QSBR caller is taken
 * offline meanwhile, unless the library runs. Fork: see urcu_kvfree_before_fork().
 */
int urcu_kvfree_init(const struct urcu_kvfree_attr *attr);

/*
 * urcu_kvfree_exit() - free everything that is queued and stop
 *
 * Waits for a grace period on each flavor in use, frees all that was queued,
 * joins the library's threads and gives back its memory and descriptors.
 * No other thread may be inside a call of this library. A second call is a
 * no-op, and urcu_kvfree_init() may follow. What raw calls queue after it waits
 * for the next start.
 *
 * Context: clean, outside read-side critical sections and free functions.
 * An online QSBR caller is taken offline while it waits.
 */
void urcu_kvfree_exit(void);

/* ------------------------------------------------------------------ */
/* Deferring a free                                                   */

/*
 * Calls that free an object accept pointers to const and volatile ones too, since what
 * readers see often is. The attribute tells GCC, which assumes that a function reads from
 * a pointer to const, that the object need not be initialized.
 */
#if defined(__GNUC__) && __GNUC__ >= 11
# define URCU_KVFREE_PTR_ATTR __attribute__((access(none, 2)))
#else
# define URCU_KVFREE_PTR_ATTR
#endif

/*
 * urcu_kvfree_rcu_offset_flavor() - the function under urcu_kvfree_rcu()
 *
 * Queues @ptr; it is freed after a grace period of @flavor. The struct
 * rcu_head at @ptr + @offset (less than URCU_KVFREE_MAX_OFFSET) belongs to
 * the library from the call on. For callers that cannot use the macro, such
 * as bindings to other languages.
 *
 * @flavor: a flavor of liburcu. @ptr: from malloc(), calloc(), realloc(),
 * posix_memalign(), aligned_alloc() or urcu_kvmalloc() and its family; ownership
 * passes to the library; NULL is a no-op.
 *
 * Context: raw. Thread-safe, async-signal-safe, keeps errno. Cannot fail.
 */
void urcu_kvfree_rcu_offset_flavor(const struct rcu_flavor_struct *flavor,
		const volatile void *ptr, size_t offset) URCU_KVFREE_PTR_ATTR;

/*
 * urcu_kvfree_rcu_mightsleep_flavor() - free an object without an rcu_head
 *
 * As urcu_kvfree_rcu(), for objects with no room for a struct rcu_head. May
 * allocate a page of pointers. For each object that it queues, it frees one that this
 * thread queued earlier and whose grace period is over, which keeps the allocator's
 * caches hot.
 *
 * It may run or wait for a grace period, with the contract of synchronize_rcu():
 *  - when batch_bytes wait (up to four times that where grace periods take 50 to
 *    200 us and no cap is set; three quarters of it for a while after a thread that ran
 *    one lost its processor) while grace periods are short (under 200 us), or at twice
 *    as much when nobody runs one. If another thread runs one at that moment, the call
 *    may give up its processor once instead;
 *  - when max_pending_bytes is set and reached;
 *  - when there is no memory for a page; it then frees @ptr itself.
 *
 * @flavor, @ptr: as above; here too ownership passes to the library, and NULL is a
 * no-op. Cannot fail.
 *
 * Context: clean, outside read-side critical sections, without a lock that a reader
 * inside its section, an RCU callback or a free function may wait for. Thread-safe.
 * An online QSBR caller is taken offline while it waits: each call may be a quiescent
 * state. Aborts with a message when it would have to wait inside a read-side section.
 */
void urcu_kvfree_rcu_mightsleep_flavor(const struct rcu_flavor_struct *flavor,
		const volatile void *ptr) URCU_KVFREE_PTR_ATTR;

/*
 * urcu_kvfree_rcu_try_flavor() - the same from a raw context, without waiting
 *
 * Returns true when @ptr was queued (or is NULL), false when there is no room
 * at this moment; then nothing happened and @ptr is still the caller's. A call
 * a little later may succeed, since a worker is asked for pages.
 *
 * Context: raw. Thread-safe, async-signal-safe, keeps errno.
 */
bool urcu_kvfree_rcu_try_flavor(const struct rcu_flavor_struct *flavor,
		const volatile void *ptr) URCU_KVFREE_PTR_ATTR;

/*
 * urcu_kvfree_rcu_barrier_flavor() - wait until all that was queued is freed
 *
 * When it returns, every object queued with @flavor before the call, by any
 * thread, is freed. Call it before a module that owns a channel is unloaded, or before
 * a leak check. The objects that a thread has set aside for its next urcu_kvmalloc(),
 * eight at the most, count as freed. rcu_barrier() does not wait for this library, nor
 * does this call wait for call_rcu(): a program that uses both needs both barriers. The
 * caller does the work itself where it can, and waits for no timer. It gives up its
 * processor once (sched_yield()), so that concurrent calls share a grace period.
 *
 * Returns 0, or -1 with errno EDEADLK when called from a channel's free
 * function, where it cannot work. Aborts with a message inside a read-side
 * critical section.
 *
 * Context: clean, outside read-side critical sections, without a lock that a reader
 * inside its section, an RCU callback or a free function may wait for. Thread-safe.
 * An online QSBR caller is taken offline while it waits.
 * Idea: rcu_barrier(), kvfree_rcu_barrier().
 */
int urcu_kvfree_rcu_barrier_flavor(const struct rcu_flavor_struct *flavor);

/*
 * urcu_kvfree_rcu_reclaim_flavor() - free some of the thread's own ripe objects
 *
 * Frees at most @max objects that this thread queued and whose grace period
 * is over. Meant for event loops of threads that otherwise make only raw calls.
 * Returns how many were freed. Never waits for a grace period.
 *
 * Context: clean; allowed in read-side critical sections. Thread-safe.
 */
size_t urcu_kvfree_rcu_reclaim_flavor(const struct rcu_flavor_struct *flavor,
		size_t max);

/* ------------------------------------------------------------------ */
/* The kv allocator                                                   */

/*
 * urcu_kvmalloc() - allocate; small from malloc(), large from the system
 *
 * Requests of large_threshold bytes and more come from one reserved range of
 * addresses, page-aligned, and go back to the system as soon as they are
 * freed. Smaller ones come from this thread's own ripe objects or from malloc():
 * each request takes one object that this thread queued and whose grace period is
 * over, if there is one, and returns it if it fits. Otherwise that object is freed
 * and malloc() is called; see urcu_kvfree_attr_set_recycle(). Memory of either kind can
 * be passed to urcu_kvfree() and to every deferring call; free() takes only the small.
 * Outside read-side sections a request may give up its processor (sched_yield(), whatever
 * locks the caller holds), once for each page that this thread's raw calls filled while
 * twice batch_bytes and 1 MiB wait; a SCHED_DEADLINE thread never does. It waits for no
 * grace period.
 *
 * urcu_kvzalloc() and urcu_kvcalloc() return zeroed memory; urcu_kvcalloc()
 * checks @nmemb * @size for overflow. urcu_kvrealloc() keeps the contents up
 * to the lesser size and accepts memory from malloc() as well; on failure
 * @ptr is untouched.
 *
 * The range counts against RLIMIT_AS. Where that is set, all memory is malloc()'s. Where
 * it is set later, the range shrinks to what is in use, at the next large allocation or
 * free or in urcu_kvfree_shrink().
 *
 * Returns the memory, or NULL with errno ENOMEM. A size of 0 is as malloc(0).
 *
 * urcu_kvfree() frees at once, without a grace period; NULL is a no-op. Freeing large
 * memory twice, or by a pointer into its middle, ends the process with a message,
 * whichever call frees it.
 *
 * None of them ever waits for a grace period.
 *
 * Context: clean; allowed in read-side critical sections. Thread-safe.
 * Idea: kvmalloc() and is_vmalloc_addr() of Linux.
 */
#if defined(__GNUC__)
# define URCU_KVFREE_ALLOC_ATTR(...) __attribute__((malloc, alloc_size(__VA_ARGS__)))
#else
# define URCU_KVFREE_ALLOC_ATTR(...)
#endif
void *urcu_kvmalloc(size_t size) URCU_KVFREE_ALLOC_ATTR(1);
void *urcu_kvzalloc(size_t size) URCU_KVFREE_ALLOC_ATTR(1);
void *urcu_kvcalloc(size_t nmemb, size_t size) URCU_KVFREE_ALLOC_ATTR(1, 2);
void *urcu_kvrealloc(void *ptr, size_t size);
void urcu_kvfree(void *ptr);

/* ------------------------------------------------------------------ */
/* Channels                                                           */

/*
 * struct urcu_kvfree_channel - objects with their own free function, opaque
 *
 * urcu_kvfree_channel_create() makes a channel. The library calls @free_bulk with 1 to
 * URCU_KVFREE_MAX_BULK pointers whose grace period is over; from then on they belong to
 * @free_bulk. It is called in the workers, in one at a time for each flavor, and in threads
 * inside barrier, shrink, channel_destroy and exit, and inside _mightsleep while the library
 * does not run, possibly in several at once. It runs in a clean context
 * outside read-side sections and may call everything but the library's
 * barrier, shrink, exit, channel_destroy and before_fork, which wait for it. Barrier
 * and channel_destroy fail there, shrink and exit do nothing. While it runs, other workers,
 * if there are any, go on freeing malloc's objects, large memory and what belongs to other
 * flavors; the objects of all channels of its flavor wait for it. It must return: a C++ exception that
 * leaves it, or a pthread_exit() in it, ends the program with a message, and a
 * longjmp() out of it is an error that goes unnoticed until a barrier hangs. The child of
 * a fork() in it must not return: it ends with a message if it does.
 *
 * @name: for messages; up to 31 bytes of it are copied. @priv: passed to @free_bulk.
 *
 * Returns the channel, or NULL with errno: EINVAL without @free_bulk, ENOSPC
 * when URCU_KVFREE_MAX_CHANNELS exist.
 *
 * urcu_kvfree_channel_destroy() waits until everything queued on the channel
 * is freed and no call of its free function runs, then releases it. Nothing may be
 * queued on it any more. Returns 0, or -1 with errno EDEADLK when called from
 * a channel's free function. NULL is a no-op.
 *
 * Context: clean, destroy outside read-side sections. Thread-safe.
 * Idea: the kmem_cache objects of kvfree_rcu().
 */
struct urcu_kvfree_channel;
#define URCU_KVFREE_MAX_CHANNELS	14
/* The most pointers that a free function gets in one call. */
#define URCU_KVFREE_MAX_BULK		1024

struct urcu_kvfree_channel *urcu_kvfree_channel_create(const char *name,
		void (*free_bulk)(size_t nr, void **ptrs, void *priv),
		void *priv);
int urcu_kvfree_channel_destroy(struct urcu_kvfree_channel *channel);

/*
 * urcu_kvfree_rcu_channel_offset_flavor() - the function under
 * urcu_kvfree_rcu_channel(). As urcu_kvfree_rcu_offset_flavor(), but @ptr may be any
 * memory, and goes to the free function of @channel.
 *
 * Context: raw. Thread-safe, async-signal-safe, keeps errno. Cannot fail.
 */
void urcu_kvfree_rcu_channel_offset_flavor(
		const struct rcu_flavor_struct *flavor, const volatile void *ptr,
		size_t offset, struct urcu_kvfree_channel *channel)
		URCU_KVFREE_PTR_ATTR;

/* ------------------------------------------------------------------ */
/* Threads                                                            */

/*
 * urcu_kvfree_register_thread_flavor() - make this thread's record now
 *
 * A record is what the library keeps for a thread: its pages of pointers. Optional: a
 * thread's first clean call that queues makes it too. After this call, the first raw
 * call finds a record and a page. Returns 0, or -1 with errno ENOMEM.
 *
 * urcu_kvfree_unregister_thread_flavor() gives the record back; what it holds
 * is freed after its grace period. A thread's exit does the same.
 *
 * Context: clean; allowed in read-side critical sections. Thread-safe.
 * Registration with liburcu is a separate matter: this library needs none.
 */
int urcu_kvfree_register_thread_flavor(const struct rcu_flavor_struct *flavor);
void urcu_kvfree_unregister_thread_flavor(
		const struct rcu_flavor_struct *flavor);

/* ------------------------------------------------------------------ */
/* Settings                                                           */

/*
 * struct urcu_kvfree_attr - settings of urcu_kvfree_init(), opaque
 *
 * Create an attribute, set it, pass it to urcu_kvfree_init(), destroy it: the
 * library keeps no reference. Each setter returns 0, or -1 with errno EINVAL and
 * the attribute unchanged. An environment variable of the same name
 * (URCU_KVFREE_MIN_CACHED_PAGES for min_cached_pages, and so on) wins over
 * the attribute. Context: clean. Thread safety: an attribute belongs to one
 * thread at a time.
 */

/* Returns NULL with errno ENOMEM when there is no memory. */
struct urcu_kvfree_attr *urcu_kvfree_attr_create(void);
/* NULL is a no-op. */
void urcu_kvfree_attr_destroy(struct urcu_kvfree_attr *attr);

/*
 * Queued pointers are kept in pages of 4096 bytes, and each thread has a cache of
 * empty ones. The least number that a refill puts there, 0 to 1024, default 5. With 0
 * there is no cache and no refill: raw calls then link objects to a slower list.
 */
int urcu_kvfree_attr_set_min_cached_pages(struct urcu_kvfree_attr *attr,
		unsigned int pages);
/*
 * How many milliseconds refills wait after the allocator failed or memory was short,
 * default 5000. Values over 100000 are taken as 100000.
 */
int urcu_kvfree_attr_set_refill_backoff_msec(struct urcu_kvfree_attr *attr,
		unsigned int msec);
/*
 * How many milliseconds an object waits at most before a grace period is asked for,
 * even if little is queued; 1 to 60000, default 100. It is also how long workers leave
 * ripe objects (those whose grace period is over) to a thread that makes clean calls.
 */
int urcu_kvfree_attr_set_drain_msec(struct urcu_kvfree_attr *attr,
		unsigned int msec);
/*
 * A grace period is asked for at once when this many bytes of objects wait for one, those
 * of all threads that use the flavor together; 4096 to SIZE_MAX / 2, default 1 MiB, and at
 * most max_pending_bytes if that is set. Object sizes are estimated from samples.
 * _mightsleep calls let more or less wait: up to four times that where grace periods take
 * 50 to 200 us and no cap is set; three quarters of it for a while after a thread that ran
 * one lost its processor.
 */
int urcu_kvfree_attr_set_batch_bytes(struct urcu_kvfree_attr *attr,
		size_t bytes);
/*
 * A cap on the bytes that wait on one flavor, as estimated; at least batch_bytes, or
 * 0 for none (default). A _mightsleep call that fills or begins a page over the cap
 * waits for a grace period and frees its thread's ripe objects before it returns. Raw
 * calls and urcu_kvmalloc() never wait. The cap does not bound memory against a reader
 * that does not leave its section: nothing in RCU can.
 */
int urcu_kvfree_attr_set_max_pending_bytes(struct urcu_kvfree_attr *attr,
		size_t bytes);
/*
 * Whether urcu_kvmalloc(), urcu_kvzalloc() and urcu_kvcalloc() may return one of the
 * thread's own objects whose grace period is over, without free() and malloc() in
 * between; default true. Such an object counts as freed and never reaches free().
 * Always off with debugging and under sanitizers.
 */
int urcu_kvfree_attr_set_recycle(struct urcu_kvfree_attr *attr, bool recycle);

/* Values of urcu_kvfree_attr_set_placement(). */
enum urcu_kvfree_placement {
	URCU_KVFREE_PLACEMENT_NEAR = 0,	 /* default: where the objects were queued */
	URCU_KVFREE_PLACEMENT_FLOAT = 1, /* wherever the scheduler puts it */
};
/*
 * Where a worker frees what a thread has queued. With NEAR, it binds itself for a moment
 * to the processor of that thread, whose cache holds the objects. It goes only to a
 * processor on which it may run anyway, never to an isolated one (isolcpus=, nohz_full=),
 * and does not do so for a real-time thread.
 */
int urcu_kvfree_attr_set_placement(struct urcu_kvfree_attr *attr,
		enum urcu_kvfree_placement placement);
/* Number of worker threads, 1 to 64; the default is the lesser of 4 and the CPUs online. */
int urcu_kvfree_attr_set_workers(struct urcu_kvfree_attr *attr,
		unsigned int workers);
/*
 * urcu_kvmalloc() allocates this many bytes and more straight from the system; 4096 to
 * SIZE_MAX / 2, default 131072.
 */
int urcu_kvfree_attr_set_large_threshold(struct urcu_kvfree_attr *attr,
		size_t bytes);

/* Values of urcu_kvfree_attr_set_debug(). */
enum urcu_kvfree_debug {
	URCU_KVFREE_DEBUG_OFF = 0,	/* default */
	URCU_KVFREE_DEBUG_ON = 1,	/* find double queueing and waits in sections */
	URCU_KVFREE_DEBUG_STRICT = 2,	/* also poison objects, and free them early */
};
/*
 * Finds errors of the program that uses the library; slow. An object that is queued
 * twice is reported with a backtrace, and the second queueing is ignored. A _mightsleep
 * call inside a read-side section is reported too, whether it would wait or not. The
 * section is noticed if it is of the call's flavor, or of one that the process has used
 * with this library before (with QSBR, used here or not, it cannot be told: each such
 * call is a quiescent state). STRICT also begins grace periods at once and poisons
 * objects of malloc() before they are freed. Set it before the first start in the
 * process.
 */
int urcu_kvfree_attr_set_debug(struct urcu_kvfree_attr *attr,
		enum urcu_kvfree_debug debug);

/* ------------------------------------------------------------------ */
/* fork()                                                             */

/*
 * urcu_kvfree_before_fork() and the after_fork calls - carry the queue over a fork()
 *
 * Call before_fork before fork(), after_fork_parent in the parent and
 * after_fork_child in the child, beside liburcu's call_rcu_before_fork() family
 * (this library's before_fork first, its after_fork calls last). Everything queued
 * is then freed in both processes, each its own copy. after_fork_child starts
 * the threads again; it returns 0, or -1 with errno if that failed, and then clean
 * calls try again, after refill_backoff_msec. Between the hooks, other threads may queue,
 * allocate and free; their barrier, channel_destroy, shrink, init and exit wait. If
 * another thread is in the middle of a call at the fork, that call is not finished in
 * the child: its object is not freed there, and may be counted as pending.
 *
 * Without these calls, fork() is safe too: the library starts anew in the child, and what
 * was pending in the parent is never freed there. What raw calls queue in such a
 * child waits for its first clean call, or for urcu_kvfree_init(); if neither comes
 * and batch_bytes or more are queued, the library says so on stderr as the child ends.
 * But liburcu does not reset its own locks in the child of a bare fork(): if a thread of
 * this library or another one was waiting for a grace period at that moment, every
 * grace period of that flavor hangs in the child, and so do the calls here that wait
 * for one. A child that does more than exec needs these calls; with bp,
 * urcu_bp_before_fork() and its after_fork calls are enough.
 *
 * before_fork waits for the grace periods and free functions that are under way, and
 * for a few pages of objects at the most, however much is queued.
 *
 * As liburcu's own fork rule says, reader threads registered with a flavor other
 * than bp must unregister before the fork if the child is to wait for grace
 * periods.
 *
 * The calls nest, so several libraries of one program may each make them around the same
 * fork(). Each before_fork needs an after_fork call of its own; the first before_fork and
 * the last after_fork do the work.
 *
 * Context: clean, outside read-side sections and free functions. One thread at a time:
 * the before_fork of another thread waits. An online QSBR caller is taken offline while
 * before_fork waits.
 */
void urcu_kvfree_before_fork(void);
void urcu_kvfree_after_fork_parent(void);
int urcu_kvfree_after_fork_child(void);

/* ------------------------------------------------------------------ */
/* Memory pressure                                                    */

/*
 * urcu_kvfree_shrink_count() - bytes that urcu_kvfree_shrink() could give back
 * now: cached pages, and the pages that queued objects occupy.
 *
 * urcu_kvfree_shrink() - free all that is queued, after a grace period, drop all cached
 * pages, and hold refills for the back-off time. Returns the number of objects and
 * pages that were freed.
 *
 * Context: clean; shrink outside read-side sections: inside one it aborts with a
 * message. In a free function it does nothing and returns 0. Thread-safe. An online
 * QSBR caller is taken offline while it waits.
 * Idea: the kernel's shrinker pair (commits d0bfa8b3c411, 9154244c1ab6).
 */
size_t urcu_kvfree_shrink_count(void);
size_t urcu_kvfree_shrink(void);

/* ------------------------------------------------------------------ */
/* Counters                                                           */

/*
 * struct urcu_kvfree_stats - counters since the start of the process
 *
 * Members are only ever added at the end; sizeof tells the caller's version.
 */
struct urcu_kvfree_stats {
	uint64_t queued;	/* objects accepted */
	uint64_t freed;		/* objects freed or recycled, by any thread */
	uint64_t pending;	/* queued - freed - leaked */
	uint64_t emergency;	/* of queued: went to the emergency list */
	uint64_t inline_freed;	/* of freed: by _mightsleep without memory */
	uint64_t owner_freed;	/* of freed: by the thread that queued them */
	uint64_t leaked;	/* kept on purpose: double frees, failed checks */
	uint64_t pages;		/* pages of pointers that exist */
	uint64_t cached_pages;	/* of pages: empty, in a thread's cache */
	uint64_t pages_allocated; /* pages ever allocated */
	uint64_t refills;	/* attempts to refill a cache */
	uint64_t refill_failures; /* of refills: the allocator failed */
	uint64_t kicks;		/* grace periods that raw calls asked for */
	uint64_t grace_periods;	/* that the library ran */
	uint64_t threads;	/* thread records in use */
	uint64_t large_bytes;	/* urcu_kvmalloc() memory outside malloc() */
	uint64_t pending_bytes;	/* size of what pages hold, an estimate */
	uint64_t oldest_msec;	/* age of the oldest pending page, in steps
				 * of drain_msec */
	uint64_t grace_period_msec; /* the longest grace period so far */
	uint64_t helped;	/* of grace_periods: run by clean callers */
	uint64_t recycled;	/* of owner_freed: returned by urcu_kvmalloc() */
};

/*
 * urcu_kvfree_get_stats_flavor() - read the counters
 *
 * @flavor: the flavor, or NULL for the sum over all of them. @size:
 * sizeof(struct urcu_kvfree_stats) as the caller knows it; members beyond it
 * are not written, members that the library does not know are zeroed.
 * The counters are exact while nobody queues; otherwise each is right for some moment,
 * and they need not agree.
 *
 * Returns 0, or -1 with errno EINVAL for a NULL @stats or a @size of 0.
 * Context: clean; allowed in read-side sections. Thread-safe.
 */
int urcu_kvfree_get_stats_flavor(const struct rcu_flavor_struct *flavor,
		struct urcu_kvfree_stats *stats, size_t size);

#if defined(__GNUC__)
# pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

/* ------------------------------------------------------------------ */
/* Macros                                                             */

/* An error at compile time that says @text. A warning would not do: compilers suppress those
 * from the macros of system headers. */
#ifdef __cplusplus
# define _urcu_kvfree_assert(condition, text)	static_assert(condition, text)
#else
# define _urcu_kvfree_assert(condition, text)	_Static_assert(condition, text)
#endif

/* Whether @field of what @ptr points to is a struct rcu_head. */
#ifdef __cplusplus
# define _urcu_kvfree_is_head(ptr, field)				\
	__is_base_of(struct rcu_head, __typeof__((ptr)->field))
#else
# define _urcu_kvfree_is_head(ptr, field)				\
	__builtin_types_compatible_p(__typeof__((ptr)->field), struct rcu_head)
#endif

/* @offset if it is known at compile time, else 0: C allows heads[i] as a field. */
#ifdef __cplusplus
# define _urcu_kvfree_known(offset)	(offset)
#else
# define _urcu_kvfree_known(offset)					\
	__builtin_choose_expr(__builtin_constant_p(offset), offset, 0)
#endif

/*
 * The offset of @field in what @ptr points to, checked at compile time: it is
 * a struct rcu_head, and less than URCU_KVFREE_MAX_OFFSET bytes away.
 * Does not evaluate @ptr.
 */
#define _urcu_kvfree_offset(ptr, field)					\
	__extension__ ({						\
		_urcu_kvfree_assert(_urcu_kvfree_is_head(ptr, field),	\
			"the field is not a struct rcu_head");		\
		_urcu_kvfree_assert(_urcu_kvfree_known(			\
				__builtin_offsetof(__typeof__(*(ptr)), field)) < \
					URCU_KVFREE_MAX_OFFSET,		\
			"the offset of the struct rcu_head in its object " \
			"is too large, see URCU_KVFREE_MAX_OFFSET");	\
		__builtin_offsetof(__typeof__(*(ptr)), field);		\
	})

#define _urcu_kvfree_rcu_2(flavor, ptr)					\
	urcu_kvfree_rcu_mightsleep_flavor(flavor, ptr)
#define _urcu_kvfree_rcu_3(flavor, ptr, field)				\
	urcu_kvfree_rcu_offset_flavor(flavor, ptr, _urcu_kvfree_offset(ptr, field))
/* With an argument too many, this call does not compile. */
#define _urcu_kvfree_rcu_4(flavor, ptr, field, more)			\
	urcu_kvfree_rcu_mightsleep_flavor(flavor, ptr, 0)
#define _urcu_kvfree_select(_1, _2, _3, _4, name, ...)	name

/*
 * urcu_kvfree_rcu_flavor(flavor, ptr, field) - raw: free @ptr after a grace
 * period. @field is its struct rcu_head member; nested designators such as
 * node.head work. Evaluates @ptr once.
 *
 * urcu_kvfree_rcu_flavor(flavor, ptr) - clean: urcu_kvfree_rcu_mightsleep().
 */
#define urcu_kvfree_rcu_flavor(...)					\
	_urcu_kvfree_select(__VA_ARGS__, _urcu_kvfree_rcu_4,		\
			_urcu_kvfree_rcu_3, _urcu_kvfree_rcu_2,		\
			_unused)(__VA_ARGS__)

/* urcu_kvfree_rcu_channel_flavor(flavor, ptr, field, channel) - raw. */
#define urcu_kvfree_rcu_channel_flavor(flavor, ptr, field, channel)	\
	urcu_kvfree_rcu_channel_offset_flavor(flavor, ptr,		\
			_urcu_kvfree_offset(ptr, field), channel)

/*
 * The flavor whose API map is in force, as a number: liburcu's maps define rcu_flavor.
 * Without a map it is 0.
 */
#define _urcu_kvfree_id_rcu_flavor		0
#define _urcu_kvfree_id_urcu_memb_flavor	1
#define _urcu_kvfree_id_urcu_mb_flavor		2
#define _urcu_kvfree_id_urcu_signal_flavor	3
#define _urcu_kvfree_id_urcu_qsbr_flavor	4
#define _urcu_kvfree_id_urcu_bp_flavor		5
#define _urcu_kvfree_paste(a, b)	a##b
#define _urcu_kvfree_id(flavor)		_urcu_kvfree_paste(_urcu_kvfree_id_, flavor)

/* The flavor of the short names; an error if another flavor's map is in force by now. */
#define _urcu_kvfree_flavor()						\
	__extension__ ({						\
		_urcu_kvfree_assert(sizeof(_urcu_kvfree_short_names) == \
				_urcu_kvfree_id(rcu_flavor),		\
			"the flavor changed after <urcu/kvfree.h>: "	\
			"include one flavor per file, before it, "	\
			"or use the calls that end in _flavor");	\
		&rcu_flavor;						\
	})

#pragma GCC diagnostic pop

#endif /* _URCU_KVFREE_H */

/* Outside the include guard: the flavor may come after another header included this one. */
#if defined(rcu_flavor) && !defined(_URCU_KVFREE_SHORT_NAMES)
#define _URCU_KVFREE_SHORT_NAMES

/* Its size records the number of the flavor, since rcu_flavor may change later. */
typedef char _urcu_kvfree_short_names[_urcu_kvfree_id(rcu_flavor)];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wvariadic-macros"
#define urcu_kvfree_rcu(...)						\
	urcu_kvfree_rcu_flavor(_urcu_kvfree_flavor(), __VA_ARGS__)
#pragma GCC diagnostic pop
#define urcu_kvfree_rcu_channel(ptr, field, channel)			\
	urcu_kvfree_rcu_channel_flavor(_urcu_kvfree_flavor(), ptr, field, channel)
#define urcu_kvfree_rcu_mightsleep(ptr)					\
	urcu_kvfree_rcu_mightsleep_flavor(_urcu_kvfree_flavor(), ptr)
#define urcu_kvfree_rcu_try(ptr)					\
	urcu_kvfree_rcu_try_flavor(_urcu_kvfree_flavor(), ptr)
#define urcu_kvfree_rcu_barrier()					\
	urcu_kvfree_rcu_barrier_flavor(_urcu_kvfree_flavor())
#define urcu_kvfree_rcu_reclaim(max)					\
	urcu_kvfree_rcu_reclaim_flavor(_urcu_kvfree_flavor(), max)
#define urcu_kvfree_register_thread()					\
	urcu_kvfree_register_thread_flavor(_urcu_kvfree_flavor())
#define urcu_kvfree_unregister_thread()					\
	urcu_kvfree_unregister_thread_flavor(_urcu_kvfree_flavor())
#define urcu_kvfree_get_stats(stats, size)				\
	urcu_kvfree_get_stats_flavor(_urcu_kvfree_flavor(), stats, size)

#endif /* rcu_flavor && !_URCU_KVFREE_SHORT_NAMES */
