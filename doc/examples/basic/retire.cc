/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * retire.cc - C++ objects, with and without a destructor
 *
 * What has no destructor is retired as it is. What has one is retired on a channel, whose
 * destructor waits for all of them. A retire() that would be wrong does not compile.
 */
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <urcu.h>
#include <urcu/kvfree.hpp>

namespace kvfree = urcu::kvfree;

struct limits {
	int clients;
	int seconds;
};

struct host {
	host(const std::string &text, std::size_t nr) : name(text), ports(nr, 80) { }

	std::string name;
	std::vector<int, kvfree::allocator<int>> ports;
	struct rcu_head head;
};

using hosts = kvfree::channel<host, kvfree::deleter<host>>;

static limits *shared_limits;
static host *shared_host;

/* Without a struct rcu_head, for clean contexts. */
static void set_limits(int clients, int seconds)
{
	auto fresh = kvfree::make_unique<limits>();

	fresh->clients = clients;
	fresh->seconds = seconds;
	kvfree::retire(rcu_xchg_pointer(&shared_limits, fresh.release()));
}

/* With one, retire() may be called from anywhere. */
static void set_host(const hosts &retired, const std::string &name)
{
	auto fresh = kvfree::make_unique<host>(name, 100);

	kvfree::retire(rcu_xchg_pointer(&shared_host, fresh.release()), &host::head, retired);
}

static void read_both()
{
	rcu_read_lock();
	const limits *l = rcu_dereference(shared_limits);
	const host *h = rcu_dereference(shared_host);
	std::printf("%s: %zu ports, %d clients for %d s\n", h->name.c_str(),
		h->ports.size(), l->clients, l->seconds);
	rcu_read_unlock();
}

int main()
{
	if (urcu_kvfree_init(nullptr))
		return EXIT_FAILURE;
	rcu_register_thread();
	{
		hosts retired("hosts");

		for (int i = 1; i <= 1000; i++) {
			set_limits(i, 30);
			set_host(retired, "a host with the number " + std::to_string(i));
		}
		read_both();
		kvfree::retire(shared_limits);
		kvfree::retire(shared_host, &host::head, retired);
	}	/* all hosts are destroyed */
	rcu_unregister_thread();
	urcu_kvfree_exit();
	return EXIT_SUCCESS;
}
