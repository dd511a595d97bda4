/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef _URCU_KVFREE_HPP
#define _URCU_KVFREE_HPP

/*
 * urcu/kvfree.hpp - the calls of urcu/kvfree.h for C++ objects, checked by their types
 *
 * C++11 and later, header-only; link with the library. Include a liburcu flavor first:
 *
 *	#include <urcu.h>		// or another flavor
 *	#include <urcu/kvfree.hpp>
 *
 *	struct route { int port; };	// no destructor: free() is enough
 *
 *	auto fresh = urcu::kvfree::make_unique<route>();
 *	fresh->port = 80;
 *	route *old = rcu_xchg_pointer(&shared, fresh.release());
 *	urcu::kvfree::retire(old);
 *
 *	struct host {			// has a destructor: a channel runs it
 *		std::string name;
 *		struct rcu_head head;
 *	};
 *
 *	static urcu::kvfree::channel<host> hosts("hosts");
 *
 *	host *gone = rcu_xchg_pointer(&shared_host, new host);
 *	urcu::kvfree::retire(gone, &host::head, hosts);
 *
 * What urcu/kvfree.h says of contexts, waiting and fork() holds here too: unlink first,
 * then retire. Whatever the type shows is checked at compile time. It does not show whether
 * a pointer to a type without virtual functions leads to the start of its memory or to a
 * base or a member further in; as with free(), that is up to the caller.
 *
 * retire() means the flavor whose API map is in force when this header is first included
 * after a flavor. A file that includes it again with another flavor's map in force
 * does not compile; include one flavor per file, or use retire_flavor(), which takes the
 * flavor as its first argument. If another flavor's header follows and this one does not,
 * liburcu's own names mean that flavor, and retire() still means the first.
 *
 * Exceptions and run-time type information are not needed. In a program that is compiled
 * without exceptions, what would throw one calls std::abort().
 */

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include <urcu/kvfree.h>

namespace urcu {
namespace kvfree {

namespace detail {

#ifdef __EXCEPTIONS
template <class Exception> [[noreturn]] void raise(const Exception &exception)
{
	throw exception;
}
#else
template <class Exception> [[noreturn]] void raise(const Exception &)
{
	std::abort();
}
#endif

/* Whether destroying an object through a T * destroys the whole of it. */
template <class T> struct may_destroy : std::integral_constant<bool,
		!std::is_polymorphic<T>::value ||
		std::has_virtual_destructor<T>::value || __is_final(T)> { };

template <class T> struct malloc_aligns : std::integral_constant<bool,
		alignof(T) <= alignof(std::max_align_t)> { };

/* The start of the whole object that @ptr points into, as far as its type can tell. */
template <class T> const volatile void *start(T *ptr, std::true_type)
{
	return dynamic_cast<const volatile void *>(ptr);
}

template <class T> const volatile void *start(T *ptr, std::false_type)
{
	return ptr;
}

/* Refuse types that must not be given to free(). */
template <class T> void check_plain()
{
	static_assert(std::is_object<T>::value,
		"retire() needs a pointer to an object of a known type; for memory without "
		"one there is urcu_kvfree_rcu_mightsleep()");
	static_assert(std::is_trivially_destructible<T>::value || !std::is_object<T>::value,
		"free() does not run this type's destructor: give the object a struct "
		"rcu_head and retire it on a urcu::kvfree::channel");
	static_assert(!std::is_polymorphic<T>::value || __is_final(T),
		"an object derived from this type may begin elsewhere or have a destructor: "
		"make the type final, or retire the object on a urcu::kvfree::channel");
	static_assert(malloc_aligns<T>::value,
		"malloc() does not align memory as this type needs: for memory of "
		"aligned_alloc() there is urcu_kvfree_rcu_mightsleep()");
}

/* The offset of @head in what @ptr points to, a constant unless there are virtual bases. */
template <class T, class Base>
std::size_t offset(T *ptr, struct rcu_head Base::*head) noexcept
{
	std::size_t offset = static_cast<std::size_t>(
		reinterpret_cast<const volatile char *>(&(ptr->*head)) -
		reinterpret_cast<const volatile char *>(ptr));

	if (offset >= URCU_KVFREE_MAX_OFFSET) {
		std::fputs("urcu/kvfree.hpp: a struct rcu_head lies URCU_KVFREE_MAX_OFFSET "
			"bytes or more into its object\n", stderr);
		std::abort();
	}
	return offset;
}

} /* namespace detail */

/* ------------------------------------------------------------------ */
/* Memory                                                             */

/*
 * allocator - urcu_kvmalloc() and urcu_kvfree() for the containers of the standard library
 *
 * All allocators are equal. allocate() throws std::bad_alloc if there is no memory.
 * deallocate() frees at once, but what readers may still look at has to be retired: a
 * container that readers walk must not free its nodes by itself.
 *
 * Context: clean; allowed in read-side critical sections. Thread-safe.
 */
template <class T> struct allocator {
	static_assert(detail::malloc_aligns<T>::value,
		"urcu_kvmalloc() does not align memory as this type needs");

	typedef T value_type;
	typedef std::true_type is_always_equal;
	typedef std::true_type propagate_on_container_move_assignment;

	allocator() = default;
	template <class U> allocator(const allocator<U> &) noexcept { }

	T *allocate(std::size_t nr)
	{
		void *ptr = nr <= static_cast<std::size_t>(-1) / sizeof(T) ?
			urcu_kvmalloc(nr * sizeof(T)) : nullptr;

		if (!ptr)
			detail::raise(std::bad_alloc());
		return static_cast<T *>(ptr);
	}

	void deallocate(T *ptr, std::size_t) noexcept
	{
		urcu_kvfree(ptr);
	}
};

template <class T, class U>
bool operator==(const allocator<T> &, const allocator<U> &) noexcept
{
	return true;
}

template <class T, class U>
bool operator!=(const allocator<T> &, const allocator<U> &) noexcept
{
	return false;
}

/*
 * deleter - destroy an object in memory of urcu_kvmalloc() and free the memory, at once
 *
 * For std::unique_ptr, while no reader has seen the object, and for a channel, which waits
 * for the readers. It converts as std::default_delete does, but to a base class only if
 * that has a virtual destructor; the whole object is destroyed then, and all of its memory
 * freed. NULL is a no-op.
 *
 * Context: clean; allowed in read-side critical sections, as far as T's destructor is.
 */
template <class T> struct deleter {
	static_assert(!std::is_array<T>::value,
		"how many there are is not known: use a container with an allocator");

	deleter() = default;
	template <class U, class = typename std::enable_if<
			std::is_convertible<U *, T *>::value &&
			(std::is_same<typename std::remove_cv<U>::type,
				typename std::remove_cv<T>::type>::value ||
			 std::has_virtual_destructor<T>::value)>::type>
	deleter(const deleter<U> &) noexcept { }

	void operator()(T *ptr) const noexcept
	{
		static_assert(detail::may_destroy<T>::value,
			"a polymorphic class needs a virtual destructor, or has to be final");
		const volatile void *memory = ptr ? detail::start(ptr,
			typename std::is_polymorphic<T>::type()) : nullptr;

		if (ptr)
			ptr->~T();
		urcu_kvfree(const_cast<void *>(memory));
	}
};

/*
 * make_unique() - make an object in memory of urcu_kvmalloc(), not yet published
 *
 * As std::make_unique(). Publish what release() returns: readers may see the object from
 * then on. Throws std::bad_alloc, and what the constructor throws.
 *
 * Context: clean; allowed in read-side critical sections. Thread-safe.
 */
template <class T, class... Args>
std::unique_ptr<T, deleter<T>> make_unique(Args &&... args)
{
	struct memory {
		void *ptr;
		~memory() { urcu_kvfree(ptr); }
	} memory = { allocator<typename std::remove_cv<T>::type>().allocate(1) };
	T *object = ::new (memory.ptr) T(std::forward<Args>(args)...);

	memory.ptr = nullptr;
	return std::unique_ptr<T, deleter<T>>(object);
}

/* ------------------------------------------------------------------ */
/* Channels                                                           */

/*
 * channel - objects whose destructor runs after the grace period
 *
 * A struct urcu_kvfree_channel for objects of type T: see there for how many there may be,
 * and for what the Deleter may do, which runs as its free function. The Deleter has no
 * state. The default calls delete, for objects of new; for those of make_unique() name
 * urcu::kvfree::deleter<T>. It is called in the threads that call free functions,
 * possibly in several at once. An exception that leaves it ends the program.
 *
 * T may be a base class of what is retired, if its destructor is virtual.
 *
 * The constructor throws std::system_error: ENOSPC for more than URCU_KVFREE_MAX_CHANNELS.
 * The destructor waits until everything retired on the channel is destroyed, with
 * the contract of urcu_kvfree_channel_destroy(); in a free function, where it cannot wait,
 * it calls std::terminate().
 *
 * Context: clean; the destructor outside read-side critical sections. Thread-safe.
 */
template <class T, class Deleter = std::default_delete<T>> class channel {
	static_assert(std::is_same<typename std::remove_cv<T>::type, T>::value,
		"name the type without const and volatile");
	static_assert(std::is_empty<Deleter>::value,
		"the channel's Deleter is made anew for each use: it must be without state");

public:
	explicit channel(const char *name)
		: channel_(urcu_kvfree_channel_create(name, free_bulk, nullptr))
	{
		if (!channel_)
			detail::raise(std::system_error(errno, std::generic_category(),
				"urcu_kvfree_channel_create"));
	}

	channel(const channel &) = delete;
	channel &operator=(const channel &) = delete;

	~channel()
	{
		if (urcu_kvfree_channel_destroy(channel_))
			std::terminate();
	}

	/* The channel for the calls of urcu/kvfree.h. It still belongs to this object. */
	struct urcu_kvfree_channel *get() const noexcept
	{
		return channel_;
	}

private:
	static void free_bulk(std::size_t nr, void **ptrs, void *)
	{
		static_assert(detail::may_destroy<T>::value ||
			!std::is_same<Deleter, std::default_delete<T>>::value,
			"a polymorphic class needs a virtual destructor, or has to be final");
		while (nr)
			Deleter()(static_cast<T *>(ptrs[--nr]));
	}

	struct urcu_kvfree_channel *channel_;
};

/* ------------------------------------------------------------------ */
/* Deferring a free                                                   */

/*
 * retire_flavor() - free an object after a grace period of @flavor
 *
 * @ptr: an object without a destructor, in memory of malloc()'s or urcu_kvmalloc()'s
 * family. Objects of make_unique() are, those of new are not. @ptr may point to const or
 * volatile; NULL is a no-op. Types for which free() is not enough do not compile.
 *
 * Context: clean, as urcu_kvfree_rcu_mightsleep_flavor().
 */
template <class T>
void retire_flavor(const struct rcu_flavor_struct *flavor, T *ptr) noexcept
{
	detail::check_plain<T>();
	urcu_kvfree_rcu_mightsleep_flavor(flavor, ptr);
}

/*
 * The same through the object's struct rcu_head. @head is a pointer to that member, such
 * as &route::head; it may be a base class's. If it lies URCU_KVFREE_MAX_OFFSET bytes or
 * more into the object, the program ends with a message.
 *
 * Context: raw, as urcu_kvfree_rcu_offset_flavor(). Cannot fail.
 */
template <class T, class Base>
void retire_flavor(const struct rcu_flavor_struct *flavor, T *ptr,
		struct rcu_head Base::*head) noexcept
{
	detail::check_plain<T>();
	if (ptr)
		urcu_kvfree_rcu_offset_flavor(flavor, ptr, detail::offset(ptr, head));
}

/*
 * The same on @channel, which destroys the object by its Deleter. The type must be the
 * channel's; if it is derived from that, cast the pointer.
 *
 * Context: raw, as urcu_kvfree_rcu_channel_offset_flavor(). Cannot fail.
 */
template <class T, class Base, class U, class Deleter>
void retire_flavor(const struct rcu_flavor_struct *flavor, T *ptr,
		struct rcu_head Base::*head, const channel<U, Deleter> &channel) noexcept
{
	static_assert(std::is_same<typename std::remove_cv<T>::type, U>::value,
		"this channel is for objects of another type");
	if (ptr)
		urcu_kvfree_rcu_channel_offset_flavor(flavor, ptr,
			detail::offset(ptr, head), channel.get());
}

} /* namespace kvfree */
} /* namespace urcu */

#endif /* _URCU_KVFREE_HPP */

/* Outside the include guard, as in urcu/kvfree.h, which looks for a flavor again too. */
#include <urcu/kvfree.h>

#ifdef rcu_flavor
static_assert(sizeof(_urcu_kvfree_short_names) == _urcu_kvfree_id(rcu_flavor),
	"the flavor changed between two includes of <urcu/kvfree.h> or <urcu/kvfree.hpp>: "
	"include one flavor per file, before it, or use the calls that end in _flavor");

#ifndef _URCU_KVFREE_HPP_SHORT_NAMES
#define _URCU_KVFREE_HPP_SHORT_NAMES

namespace urcu {
namespace kvfree {

/* Named for the flavor, so that files of a program with different flavors share no function. */
inline namespace rcu_flavor {

/*
 * retire() - free an object after a grace period
 *
 *	retire(ptr)			clean: no struct rcu_head
 *	retire(ptr, &T::head)		raw
 *	retire(ptr, &T::head, channel)	raw; the channel destroys the object
 *
 * As retire_flavor(), with the flavor of this file.
 */
template <class T> void retire(T *ptr) noexcept
{
	retire_flavor(&::rcu_flavor, ptr);
}

template <class T, class Base>
void retire(T *ptr, struct rcu_head Base::*head) noexcept
{
	retire_flavor(&::rcu_flavor, ptr, head);
}

template <class T, class Base, class U, class Deleter>
void retire(T *ptr, struct rcu_head Base::*head,
		const channel<U, Deleter> &channel) noexcept
{
	retire_flavor(&::rcu_flavor, ptr, head, channel);
}

} /* namespace of the flavor */
} /* namespace kvfree */
} /* namespace urcu */

#endif /* _URCU_KVFREE_HPP_SHORT_NAMES */
#endif /* rcu_flavor */
