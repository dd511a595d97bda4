// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The liburcu-kvfree authors
//
// Finds a program's deferred frees and what concerns them, and changes nothing. Prints one fact a
// line, its words separated by tabs, for plan.py: the kind, where it is, the function around it,
// and what the rules below say.

@initialize:python@
@@
def fact(kind, place, *words):
    place = [place.file, place.line, place.column, place.current_element]
    print("\t".join(["fact", kind] + place + list(words)))

// ----------------------------------------------------------------------
// Calls

@call@
identifier fn =~ "^(urcu_[a-z]+_)?(call|defer)_rcu(_(memb|mb|qsbr|bp|sig))?$";
expression first, second;
position p;
@@
fn@p(first, second)

@script:python@
fn << call.fn;
first << call.first;
second << call.second;
p << call.p;
@@
fact("call", p[0], fn, first, second)

// The type of the object, where it is known, whose member a call is given.
@typed@
identifier fn =~ "^(urcu_[a-z]+_)?call_rcu(_(memb|mb|qsbr|bp|sig))?$";
type T;
T *object;
identifier f1, f2, f3, f4;
expression callback;
position p;
@@
fn@p(\(&object->f1\|&object->f1.f2\|&object->f1.f2.f3\|&object->f1.f2.f3.f4
      \|&(object->f1)\|&(object->f1.f2)\), callback)

@script:python@
T << typed.T;
p << typed.p;
@@
fact("type", p[0], T)

@barrier@
identifier fn =~ "^u?rcu_([a-z]+_)?(barrier|defer_(barrier(_thread)?|unregister_thread))(_[a-z]+)?$";
position p;
@@
fn@p(...)

@script:python@
fn << barrier.fn;
p << barrier.p;
@@
fact("barrier", p[0], fn)

// Calls in a read-side section, or with a lock held, as far as one function shows.
@held exists@
identifier enter =~ "^(u?rcu_([a-z]+_)?read_lock(_[a-z]+)?|pthread_[a-z]+_(rd|wr)?lock)$";
identifier leave =~ "^(u?rcu_([a-z]+_)?read_unlock(_[a-z]+)?|pthread_[a-z]+_unlock)$";
identifier fn =~ "^(urcu_[a-z]+_)?(call|defer)_rcu(_(memb|mb|qsbr|bp|sig))?$";
position p;
@@
enter(...)
... when != leave(...)
    when any
fn@p(...)

@script:python@
enter << held.enter;
p << held.p;
@@
fact("held", p[0], enter)

// ----------------------------------------------------------------------
// Functions that may be callbacks

@definition@
identifier fn, head;
type T;
position p;
@@
fn@p(T *head) { ... }

@script:python@
fn << definition.fn;
p << definition.p;
@@
fact("definition", p[0], fn)

@prototype@
identifier fn, head;
type T, T1;
position p;
@@
(
T fn@p(T1 *head);
|
T fn@p(T1 *);
)

@script:python@
fn << prototype.fn;
p << prototype.p;
@@
fact("prototype", p[0], fn)

// A callback that only frees: by release, what holds member; or what holds outer, which in turn
// holds member.
@only@
identifier fn, head, inner, object, release;
identifier of1 =~ "container_of$";
identifier of2 =~ "container_of$";
type T, T1, T2, T3;
expression member, outer;
position p;
@@
fn@p(struct rcu_head *head) {
(
  release(of1(head, T, member));
|
  T1 object = of1(head, T, member);
  release(\(object\|(void *)object\));
|
  T1 object;
  object = of1(head, T, member);
  release(\(object\|(void *)object\));
|
  release(of2(of1(head, T2, member), T, outer));
|
  T3 inner = of1(head, T2, member);
  release(of2(inner, T, outer));
|
  T3 inner = of1(head, T2, member);
  T1 object = of2(inner, T, outer);
  release(\(object\|(void *)object\));
)
}

@script:python@
fn << only.fn;
p << only.p;
release << only.release;
T << only.T;
T1 << only.T1 = "";
member << only.member;
outer << only.outer = "";
@@
fact("only", p[0], fn, release, T, T1, member, outer)

// A function for defer_rcu() that only frees.
@plain@
identifier fn, pointer, object, release;
type T1;
position p;
@@
fn@p(void *pointer) {
(
  release(pointer);
|
  T1 object = pointer;
  release(object);
)
}

@script:python@
fn << plain.fn;
release << plain.release;
p << plain.p;
@@
fact("plain", p[0], fn, release)

// ----------------------------------------------------------------------
// Where a program begins

@program@
position p;
@@
main@p(...) { ... }

@script:python@
p << program.p;
@@
fact("main", p[0])
