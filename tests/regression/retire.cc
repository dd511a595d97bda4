/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * retire.cc - what urcu/kvfree.hpp makes of C++ objects
 *
 * Built and run by retire.sh, with the flavor's header in front. With an argument it retires
 * an object whose struct rcu_head is too far away, and must not live through that.
 */

#include <atomic>
#include <climits>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <urcu/kvfree.hpp>

#include "retire.h"

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			std::fprintf(stderr, "%s:%d: not so: %s\n",	\
				__FILE__, __LINE__, #condition);	\
			std::exit(1);					\
		}							\
	} while (0)

/* ThreadSanitizer sees neither how RCU publishes nor what a grace period orders. */
#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);
#else
static void __tsan_acquire(void *) { }
static void __tsan_release(void *) { }
#endif

namespace kvfree = urcu::kvfree;

static std::atomic<int> alive(0);

struct counted {
	counted() : text("long enough to have memory of its own") { alive++; }
	counted(const counted &) = delete;
	~counted()
	{
		CHECK(text == "long enough to have memory of its own");
		alive--;
	}

	std::string text;
	struct rcu_head head;
};

static urcu_kvfree_stats stats()
{
	urcu_kvfree_stats stats;

	CHECK(!urcu_kvfree_get_stats(&stats, sizeof(stats)));
	return stats;
}

/* ------------------------------------------------------------------ */

static void plain_objects_are_freed_through_every_kind_of_pointer()
{
	const auto before = stats();
	plain *p = kvfree::make_unique<plain>().release();
	const plain *c = kvfree::make_unique<const plain>().release();
	volatile plain *v = kvfree::make_unique<volatile plain>().release();
	const plain *none = nullptr;

	kvfree::retire(p);
	kvfree::retire(c, &plain::head);
	kvfree::retire(v, &plain::head);
	kvfree::retire(none);
	kvfree::retire(none, &plain::head);
	kvfree::retire(static_cast<char *>(std::malloc(10)));
	static_assert(noexcept(kvfree::retire(p)) &&
		noexcept(kvfree::retire(p, &plain::head)), "");
	CHECK(!urcu_kvfree_rcu_barrier());
	CHECK(stats().queued == before.queued + 4);
	CHECK(stats().freed == before.freed + 4);
}

struct base {
	long front;
	struct rcu_head head;
};

struct derived final : base {
	char big[100000];
	virtual void f() { }
};

static void head_may_be_a_base_class_s()
{
	kvfree::retire(kvfree::make_unique<derived>().release(), &derived::head);
	kvfree::retire(kvfree::make_unique<derived>().release());
	CHECK(!urcu_kvfree_rcu_barrier());
}

static void file_with_another_flavor_retires_on_its_own()
{
	const auto before = stats();

	other_retires(kvfree::make_unique<plain>().release());
	CHECK(stats().queued == before.queued);
	kvfree::retire_flavor(&::rcu_flavor, kvfree::make_unique<plain>().release());
	CHECK(stats().queued == before.queued + 1);
}

/* ------------------------------------------------------------------ */

static counted *shared;

struct reader {
	std::atomic<bool> inside, leave;
	reader() : inside(false), leave(false) { }

	void run()
	{
		rcu_register_thread();
		rcu_read_lock();
		const counted *object = rcu_dereference(shared);
		__tsan_acquire(&shared);
		inside = true;
		while (!leave) {
			CHECK(object->text == "long enough to have memory of its own");
			usleep(100);
		}
		__tsan_release(const_cast<void *>(
				static_cast<const void *>(&::rcu_flavor)));
		rcu_read_unlock();
		rcu_unregister_thread();
	}
};

static void destructors_run_once_no_reader_is_left()
{
	kvfree::channel<counted> channel("counted");
	reader reader;

	__tsan_release(&shared);
	rcu_set_pointer(&shared, new counted);
	std::thread thread(&reader::run, &reader);
	while (!reader.inside)
		usleep(100);
	for (int i = 0; i < 1000; i++) {
		counted *old = rcu_xchg_pointer(&shared, new counted);

		kvfree::retire(old, &counted::head, channel);
	}
	urcu_kvfree_rcu_reclaim(1000);
	CHECK(alive == 1001);
	reader.leave = true;
	thread.join();
	kvfree::retire(shared, &counted::head, channel);
	kvfree::retire(static_cast<const counted *>(nullptr), &counted::head, channel);
	static_assert(noexcept(kvfree::retire(shared, &counted::head, channel)), "");
	CHECK(!urcu_kvfree_rcu_barrier());
	CHECK(alive == 0);
}

static void channel_s_end_waits_for_destructors()
{
	{
		kvfree::channel<counted, kvfree::deleter<counted>> channel("kv");

		for (int i = 0; i < 100; i++)
			kvfree::retire(kvfree::make_unique<const counted>().release(),
				&counted::head, channel);
	}
	CHECK(alive == 0);
}

struct shape {
	virtual ~shape() { }
	struct rcu_head head;
};

struct front {
	virtual ~front() { }
	long numbers[3];
};

struct square : front, shape {
	counted member;
};

static void objects_are_destroyed_and_freed_through_a_base_class()
{
	typedef std::unique_ptr<shape, kvfree::deleter<shape>> shape_ptr;
	kvfree::channel<shape> of_new("shapes");
	kvfree::channel<shape, kvfree::deleter<shape>> of_kv("kv shapes");

	for (int i = 0; i < 100; i++) {
		shape_ptr unseen = kvfree::make_unique<square>();
		shape_ptr published = kvfree::make_unique<square>();
		shape *s = new square;

		kvfree::retire(published.release(), &shape::head, of_kv);
		kvfree::retire(s, &shape::head, of_new);
	}
	CHECK(!urcu_kvfree_rcu_barrier());
	CHECK(alive == 0);
	static_assert(!std::is_convertible<kvfree::deleter<derived>,
		kvfree::deleter<base>>::value, "free() wants the start of the object");
	static_assert(std::is_convertible<kvfree::deleter<plain>,
		kvfree::deleter<const plain>>::value, "");
}

/* ------------------------------------------------------------------ */

static void containers_take_the_allocator()
{
	typedef std::pair<const int, std::string> entry;
	std::vector<int, kvfree::allocator<int>> large(1000000, 7);
	std::map<int, std::string, std::less<int>, kvfree::allocator<entry>> map;

	for (int i = 0; i < 1000; i++)
		map[i] = "value";
	for (int i = 0; i < 1000; i += 2)
		map.erase(i);
	CHECK(large.back() == 7 && map.size() == 500);
	CHECK(kvfree::allocator<int>() == kvfree::allocator<char>());
	CHECK(!(kvfree::allocator<int>() != kvfree::allocator<char>()));
}

#ifdef __EXCEPTIONS
struct thrower {
	counted member;
	thrower() { throw 1; }
};

template <class Exception, class Function> static bool throws(Function function)
{
	try {
		function();
	} catch (const Exception &) {
		return true;
	}
	return false;
}

static void failures_throw_and_leave_nothing_behind()
{
	std::unique_ptr<kvfree::channel<plain>> channels[URCU_KVFREE_MAX_CHANNELS];
	volatile std::size_t too_many = SIZE_MAX / 8 + 2;

	CHECK(throws<std::bad_alloc>([&] {
		kvfree::allocator<long long>().deallocate(
			kvfree::allocator<long long>().allocate(too_many), 0);
	}));
	CHECK(throws<int>([] { kvfree::make_unique<thrower>(); }));
	CHECK(alive == 0);
	for (auto &channel : channels)
		channel.reset(new kvfree::channel<plain>("one of many"));
	CHECK(throws<std::system_error>([] {
		kvfree::channel<plain> one_more("one too many");
	}));
}
#else
static void failures_throw_and_leave_nothing_behind() { }
#endif

struct far {
	char front[URCU_KVFREE_MAX_OFFSET];
	struct rcu_head head;
};

static int retire_with_a_head_too_far_away()
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	kvfree::retire(kvfree::make_unique<far>().release(), &far::head);
	return 0;
}

int main(int argc, char **)
{
	alarm(120);
	if (urcu_kvfree_init(nullptr))
		return 1;
	if (argc > 1)
		return retire_with_a_head_too_far_away();
	plain_objects_are_freed_through_every_kind_of_pointer();
	head_may_be_a_base_class_s();
	file_with_another_flavor_retires_on_its_own();
	destructors_run_once_no_reader_is_left();
	channel_s_end_waits_for_destructors();
	objects_are_destroyed_and_freed_through_a_base_class();
	containers_take_the_allocator();
	failures_throw_and_leave_nothing_behind();
	urcu_kvfree_exit();
	return 0;
}
