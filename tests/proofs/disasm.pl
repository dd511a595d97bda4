#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Read the machine code of the raw calls and say where it can go.
#
# disasm.pl [--tls=any] LIBRARY
#
# 1. The three public functions themselves call nothing but what @fast lists.
# 2. All that they can reach inside the library leaves it only through @outside,
#    but for what @cut names.
# 3. Nothing is bound lazily, and no thread-local storage is looked up by a call.
#
# Exit status: 0 all is well, 1 not, 77 cannot tell.
use strict;
use warnings;

my @entries = qw(urcu_kvfree_rcu_offset_flavor urcu_kvfree_rcu_try_flavor
	urcu_kvfree_rcu_channel_offset_flavor);
# The two cold functions.
my %fast = map { $_ => 1 } qw(raw_slow emergency_queue);
# An exchange, where the compiler leaves the choice of instructions to the loader.
$fast{__aarch64_swp4_acq} = 1;
# Undoing what debugging did; a flag is tested before it.
$fast{kvfree_debug_forget} = 1;
# Two bare system calls, a store into the thread's own descriptor and a load
# from it, the processor's number (memory that the kernel shares), the
# address of errno, and the end of a process whose stack is smashed.
my %outside = map { $_ => 1 } qw(timerfd_gettime timerfd_settime
	pthread_setspecific pthread_getcpuclockid pthread_self sched_getcpu
	__errno_location __stack_chk_fail);
# Where the program has closed the library's descriptors, from this function only.
my %beside = (hang_up => { map { $_ => 1 } qw(fstat fstat64 __fxstat
	__fxstat64 syscall) });
# The first call of a process, clean by contract; abort with a message; the
# reports of debugging.
my %cut = map { $_ => 1 } qw(kvfree_start_clean runtime_start kvfree_say_idle
	kvfree_die report);

my $any_tls = 0;
if (@ARGV && $ARGV[0] eq '--tls=any') {
	$any_tls = 1;
	shift;
}
my $library = shift // die "Usage: disasm.pl [--tls=any] LIBRARY\n";
my $objdump = $ENV{OBJDUMP} // 'objdump';
my $readelf = $ENV{READELF} // 'readelf';
my $failures = 0;

sub skip { print "SKIP: @_\n"; exit 77 }
sub fail { print "FAIL: @_\n"; $failures++ }

unless (-r $library) {
	fail("$library cannot be read: is the library built?");
	exit 1;
}

sub lines_of
{
	open(my $pipe, '-|', @_) or skip("no $_[0]");
	my @lines = <$pipe>;
	close($pipe) or skip("$_[0] failed on $library");
	return @lines;
}

# ----------------------------------------------------------------------
# The file

my ($machine) = map { /Machine:\s+(.*)/ ? $1 : () }
	lines_of($readelf, '-hW', $library);
my $x86 = $machine =~ /X86-64/;
my $arm = $machine =~ /AArch64/;
skip("no reader for the code of $machine") unless $x86 || $arm;

my @dynamic = lines_of($readelf, '-dW', $library);
grep { /BIND_NOW|FLAGS_1.*NOW/ } @dynamic or
	fail("symbols are bound lazily: no BIND_NOW");

# What the slots of the global offset table hold: a name, or an address here.
my (%slot, %internal);
for (lines_of($readelf, '-rW', $library)) {
	$internal{hex $1} = hex $2
		if /^([0-9a-f]+)\s+[0-9a-f]+\s+R_\w+_RELATIVE\s+([0-9a-f]+)/;
	my ($at, $type, $name) = /^([0-9a-f]+)\s+[0-9a-f]+\s+(R_\w+)\s+[0-9a-f]*\s*([\w.]+)?/
		or next;
	$slot{hex $at} = $name if $type =~ /GLOB_DAT|JUMP_SLO/ && $name;
	fail("thread-local storage by a call: $type") if !$any_tls &&
		$type =~ /DTPMOD|TLSDESC/;
}
for (lines_of($readelf, '--dyn-syms', '-W', $library)) {
	skip("built with a sanitizer or for coverage")
		if /\b__(asan_report|tsan_func|ubsan_handle|gcov_)/;
}

# ----------------------------------------------------------------------
# The code: for each function the set of names it calls or jumps to

my (%targets, $function, %page, %held, %names);

sub target
{
	my ($code, $name) = @_;
	$name =~ s/\@plt$//;
	$name =~ s/\@.*//;
	$targets{$function}{$name} = $code;
}

sub read_x86
{
	my ($code) = @_;
	return unless $code =~ /^(?:addr32 |bnd |notrack |data16 |rex\.W )*(?:call|j[a-z]+)\b/;
	if ($code =~ /<([^>+]+)(\+0x[0-9a-f]+)?>/) {
		target($code, $1);
	} else {
		target($code, 'an address in a register');
	}
}

# -fno-plt: adrp and ldr fetch a slot of the table, blr or br goes there. A
# register that may come from elsewhere (a jump in between) is told as such.
sub read_arm
{
	my ($code) = @_;
	if ($code =~ /^adrp\s+(x\d+), ([0-9a-f]+)/) {
		$page{$1} = hex $2;
	} elsif ($code =~ /^ldr\s+(x\d+), \[(x\d+)(?:, #(\d+))?\]/ &&
		 defined $page{$2}) {
		my $at = $page{$2} + ($3 // 0);
		$held{$1} = $slot{$at} // $names{$internal{$at} // 0};
	} elsif ($code =~ /^(?:blr|br)\s+(x\d+)/) {
		target($code, $held{$1} // 'an address in a register');
	} elsif ($code =~ /^(?:bl|b|b\.\w+|cbn?z|tbn?z)\s.*<([^>+]+)(\+0x[0-9a-f]+)?>/) {
		target($code, $1);
	}
}

my @code = lines_of($objdump, '-d', '--no-show-raw-insn', $library);
for (@code) {
	$names{hex $1} = $2 if /^([0-9a-f]+) <([^>]+)>:/;
}
for (@code) {
	if (/^[0-9a-f]+ <([^>]+)>:/) {
		$function = $1;
		$targets{$function} //= {};
		%page = %held = ();
	} elsif (defined $function && /^\s+[0-9a-f]+:\s+(.*\S)/) {
		$x86 ? read_x86($1) : read_arm($1);
	}
}
defined $targets{$_} or skip("$_ is not in $library") for @entries;
skip("built without optimization") if defined $targets{raw_queue};

# ----------------------------------------------------------------------
# Where it can go

# A part that the compiler moved out of line belongs to its function.
sub base { my ($name) = @_; $name =~ s/\.(cold|part|constprop|isra).*//; return $name }

for my $entry (@entries) {
	for my $name (sort keys %{$targets{$entry}}) {
		next if base($name) eq $entry || $fast{base($name)};
		fail("$entry goes to $name: $targets{$entry}{$name}");
	}
}

my (%seen, %left, @todo);
@todo = map { [$_, $_] } @entries;
while (my $item = shift @todo) {
	my ($name, $path) = @$item;
	next if $seen{$name}++;
	for my $to (sort keys %{$targets{$name}}) {
		next if $cut{base($to)} || $seen{$to};
		if (defined $targets{$to}) {
			push @todo, [$to, "$path, $to"];
		} elsif ($outside{$to} || $beside{base($name)}{$to}) {
			$left{$to} = 1;
		} else {
			fail("$to can be reached from a raw call: $path");
		}
	}
}

exit 1 if $failures;
printf "%s: %d functions, which leave the library through %s\n", $library,
	scalar keys %seen, join(', ', sort keys %left);
