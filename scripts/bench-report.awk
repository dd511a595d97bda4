# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# bench-report.awk - medians, ratios and verdicts from kvfreescale's CSV lines
#
# Also writes plots/throughput.dat, a line per thread count, for gnuplot.

BEGIN { FS = "," }

NR > 1 {
	key = $1 SUBSEP $4 SUBSEP $6 SUBSEP $10
	value[key, ++count[key]] = $11
}

# Sorts the values of a key once, by insertion: there are a dozen.
function sort_key(key,	i, j, x) {
	if (key in sorted)
		return
	sorted[key] = 1
	for (i = 2; i <= count[key]; i++) {
		x = value[key, i] + 0
		for (j = i - 1; j > 0 && value[key, j] + 0 > x; j--)
			value[key, j + 1] = value[key, j]
		value[key, j + 1] = x
	}
}

function has(label, who, n, metric) {
	return (label SUBSEP who SUBSEP n SUBSEP metric) in count
}

function med(label, who, n, metric,	key, c) {
	key = label SUBSEP who SUBSEP n SUBSEP metric
	if (!(key in count))
		return 0
	sort_key(key)
	c = count[key]
	return c % 2 ? value[key, (c + 1) / 2] : \
		(value[key, c / 2] + value[key, c / 2 + 1]) / 2
}

function worst(label, who, n, metric,	key) {
	key = label SUBSEP who SUBSEP n SUBSEP metric
	if (!(key in count))
		return 0
	sort_key(key)
	return value[key, count[key]]
}

function num(x) {
	if (x == 0)
		return "0"
	if (x >= 100 || x <= -100)
		return sprintf("%.0f", x)
	if (x >= 10 || x <= -10)
		return sprintf("%.1f", x)
	return sprintf("%.3g", x)
}

function line(id, what, target, measured, ratio, verdict) {
	printf "| %s | %s | %s | %s | %s | %s |\n", id, what, target,
		measured, ratio, verdict
	if (verdict ~ /^short/)
		shorts[id] = 1
	else if (verdict == "reached")
		reached[id] = 1
	else
		other[id] = 1
}

function missing(id, what, target) {
	line(id, what, target, "-", "-", "not measured: the run is missing")
}

# a / b must be at most limit.
function at_most(id, what, a, b, limit, unit,	r) {
	if (a == 0 || b == 0) {
		missing(id, what, "≤ " num(limit) " ×")
		return
	}
	r = a / b
	line(id, what, "≤ " num(limit) " ×", num(a) " / " num(b) " " unit,
		num(r), r <= limit ? "reached" : \
		"short: " num(r / limit) " times the limit")
}

# b / a must be at least limit: a is a time, b the peer's.
function faster(id, what, a, b, limit, unit,	r) {
	if (a == 0 || b == 0) {
		missing(id, what, "≥ " num(limit) " ×")
		return
	}
	r = b / a
	line(id, what, "≥ " num(limit) " ×", num(a) " against " num(b) " " unit,
		num(r), r >= limit ? "reached" : \
		"short: " num(r) " of " num(limit))
}

function under(id, what, present, x, limit, unit) {
	if (!present)
		missing(id, what, "≤ " num(limit) " " unit)
	else
		line(id, what, "≤ " num(limit) " " unit, num(x) " " unit, "-",
			x <= limit ? "reached" : \
			"short: " num(x) " " unit)
}

function head(title) {
	print "\n## " title "\n"
	print "| row | what | target | measured | ratio | verdict |"
	print "|---|---|---|---|---|---|"
}

function call_rows(	raw) {
	raw = med("E1", "kvfree-raw", 1, "call_ns")
	at_most("E1", "raw call against the lock floor",
		raw, med("E1", "lock", 1, "call_ns"), 2.0, "ns")
	at_most("E1", "raw call against defer_rcu",
		raw, med("E1", "defer_rcu", 1, "call_ns"), 0.35, "ns")
	at_most("E1", "raw call against call_rcu",
		raw, med("E1", "call_rcu", 1, "call_ns"), 0.15, "ns")
}

function clean_rows(id, who, n, times_call) {
	faster(id, who ", " n " updaters, against defer_rcu",
		med("T", who, n, "ns_per_op"),
		med("T", "defer_rcu", n, "ns_per_op"), 2, "ns")
	faster(id, who ", " n " updaters, against call_rcu",
		med("T", who, n, "ns_per_op"),
		med("T", "call_rcu", n, "ns_per_op"), times_call, "ns")
	if (n == 1)
		at_most(id, who " against malloc and free at once",
			med("T", who, n, "ns_per_op"),
			med("T", "none", n, "ns_per_op"), 2, "ns")
}

# The longest of a million calls; where an empty call in the same rounds is
# interrupted as long, the machine and not the library is measured.
function latency_rows(	longest, floor, limit) {
	longest = med("E5", "kvfree-raw", 1, "max_ns") / 1e3
	floor = med("E5", "lock", 1, "max_ns") / 1e3
	limit = med("E5", "defer_rcu", 1, "p9999_ns") / 50e3
	longest_row("longest raw call against 1/50 of defer_rcu's p99.99",
		longest, limit, floor)
	limit = med("E5", "call_rcu", 1, "max_ns") / 5e3
	longest_row("longest raw call against 1/5 of call_rcu's longest",
		longest, limit, floor)
	at_most("E5", "p99.99 of all calls, preempted ones too, against defer_rcu's",
		med("E5", "kvfree-raw", 1, "all_p9999_ns") / 1e3,
		med("E5", "defer_rcu", 1, "all_p9999_ns") / 1e3, 0.02, "µs")
}

function longest_row(what, longest, limit, floor,	verdict) {
	if (longest == 0 || limit == 0) {
		missing("E5", what, "-")
		return
	}
	if (longest <= limit)
		verdict = "reached"
	else if (floor > limit)
		verdict = "not measurable here: the bare lock's longest is " \
			num(floor) " µs (interrupts, the hypervisor)"
	else
		verdict = "short: " num(longest / limit) " times the limit"
	line("E5", what, "≤ " num(limit) " µs", num(longest) " µs",
		num(longest / limit), verdict)
}

function stall_rows(	longest, defer) {
	at_most("E6", "median raw call, allocator hangs against not",
		med("E6s", "kvfree-raw", 1, "p50_ns"),
		med("E6n", "kvfree-raw", 1, "p50_ns"), 1.5, "ns")
	at_most("E6", "p99.99, allocator hangs against not",
		med("E6s", "kvfree-raw", 1, "p9999_ns") / 1e3,
		med("E6n", "kvfree-raw", 1, "p9999_ns") / 1e3, 1.5, "µs")
	longest = worst("E6s", "kvfree-raw", 1, "max_ns") / 1e6
	defer = med("E6s", "defer_rcu", 1, "max_ns") / 1e6
	under("E6", "longest raw call of all rounds, allocator hangs for 1 s " \
		"(defer_rcu: " num(defer) " ms)",
		has("E6s", "kvfree-raw", 1, "max_ns"), longest, 10, "ms")
}

function memory_rows(	peer) {
	peer = med("E7", "call_rcu", cpus, "peak_mb")
	at_most("E7", "peak memory, clean calls, against call_rcu",
		med("E7", "kvfree", cpus, "peak_mb"), peer, 0.5, "MB")
	at_most("E7", "the same, kvmalloc and raw calls",
		med("E7", "kvfree-kvmalloc", cpus, "peak_mb"), peer, 0.5, "MB")
	at_most("E7", "the same, malloc and raw calls",
		med("E7", "kvfree-raw", cpus, "peak_mb"), peer, 0.5, "MB")
}

function supply_rows() {
	under("E8", "raw calls on the emergency list, 1 updater at 1 M/s",
		has("E8", "kvfree-raw", 1, "emergency_ppm"),
		med("E8", "kvfree-raw", 1, "emergency_ppm"), 1000, "ppm")
	if (cpus > 1)
		under("E8", "the same, " cpus " updaters (no CPU is left over)",
			has("E8n", "kvfree-raw", cpus, "emergency_ppm"),
			med("E8n", "kvfree-raw", cpus, "emergency_ppm"),
			1000, "ppm")
}

function idle_rows() {
	at_most("E9", "barrier, one object pending, against rcu_barrier",
		med("E9", "kvfree", cpus, "barrier_us"),
		med("E9", "call_rcu", cpus, "barrier_us"), 0.2, "µs")
	under("E10", "wake-ups of all other threads, idle for 3 s",
		has("E10", "kvfree-raw", cpus, "wakeups_per_s"),
		worst("E10", "kvfree-raw", cpus, "wakeups_per_s"), 0, "/s")
	under("E11", "RSS of each of 1,000 threads, registered",
		has("E11", "kvfree-channel", 1000, "registered_kb"),
		med("E11", "kvfree-channel", 1000, "registered_kb"), 8, "KiB")
	under("E11", "the same, idle after 1,000 raw calls each",
		has("E11", "kvfree-channel", 1000, "idle_kb"),
		med("E11", "kvfree-channel", 1000, "idle_kb"), 8, "KiB")
}

function scale_rows(who, one, many) {
	if (cpus >= 16) {
		one = med("T", who, 1, "mops")
		many = med("T", who, 16, "mops")
		line("E12", who ", 16 updaters against 16 times one", "≥ 0.8",
			num(many) " / 16 · " num(one) " M/s",
			num(many / 16 / one), many / 16 / one >= 0.8 ? \
			"reached" : "short")
		return
	}
	line("E12", who ", 16 updaters against 16 times one", "≥ 0.8", "-",
		"-", "not measurable here: " cpus " CPUs")
	one = med("T", who, cpus, "mops")
	many = med("T", who, 64, "mops")
	if (!one || !many)
		missing("E12", who ", no collapse", "≥ 0.5 ×")
	else
		line("E12", who ", no collapse: 64 updaters against " cpus \
			" (defer_rcu: " num(med("T", "defer_rcu", 64, "mops")) \
			", call_rcu: " num(med("T", "call_rcu", 64, "mops")) \
			" M/s)", "≥ 0.5 ×", num(many) " / " num(one) " M/s",
			num(many / one), many / one >= 0.5 ? "reached" : \
			"short: " num(many / one) " of 0.5")
}

function lesson_rows(	n) {
	n = cpus * 8
	line("K8", "objects per drain, 1,000 a second", "≥ 10",
		num(med("K8", "kvfree-raw", 1, "records_per_drain")) \
		" (with a 20 ms drain " \
		num(med("K8-20ms", "kvfree-raw", 1, "records_per_drain")) ")",
		"-", med("K8", "kvfree-raw", 1, "records_per_drain") >= 10 ? \
		"reached" : "short")
	flood_row("kvfree", n)
	flood_row("kvfree-raw", n)
	refill_row()
	churn_row("kvfree-raw")
	churn_row("kvfree")
	burst_row("48", "kvfree-raw")
	burst_row("48", "kvfree")
	burst_row("256", "kvfree-raw")
	burst_row("256", "kvfree")
	burst_row("1M", "kvfree-kvmalloc")
}

# Bounded: the second half of the flood needs no more than the first did.
function flood_row(who, n,	a, b) {
	a = med("P3", who, n, "half1_mb")
	b = med("P3", who, n, "half2_mb")
	if (!has("P3", who, n, "half2_mb")) {
		missing("P3", who, "-")
		return
	}
	line("P3", who ", " n " updaters: peak RSS of the flood's second half " \
		"(call_rcu: " num(med("P3", "call_rcu", n, "half1_mb")) ", then " \
		num(med("P3", "call_rcu", n, "half2_mb")) " MB)",
		"≤ 1.25 × the first's", num(b) " / " num(a) " MB",
		a ? num(b / a) : "-",
		b <= 1.25 * a || b < 8 ? "reached" : "short: still growing")
}

function refill_row(	pages, allocated) {
	if (!has("E8", "kvfree-raw", 1, "pages")) {
		missing("P4", "refill at a steady rate", "-")
		return
	}
	pages = med("E8", "kvfree-raw", 1, "pages")
	allocated = med("E8", "kvfree-raw", 1, "pages_allocated")
	line("P4", "pages allocated in 1 s at 1 M/s, after warm-up",
		"≤ the pages that exist", num(allocated) " of " num(pages),
		pages ? num(allocated / pages) : "-",
		allocated <= pages ? "reached" : "short: pages are thrown away")
}

function churn_row(who,	records, pages) {
	if (!has("P5", who, cpus, "pages")) {
		missing("P5", who, "-")
		return
	}
	pages = worst("P5", who, cpus, "pages")
	line("P5", who ", 800 threads came and went: pages left, records in " \
		"use, RSS growth (call_rcu: " \
		num(med("P5", "call_rcu", cpus, "rss_growth_kb")) " KiB)",
		"≤ 64 pages, nothing pending", num(pages) ", " \
		num(worst("P5", who, cpus, "records")) ", " \
		num(med("P5", who, cpus, "rss_growth_kb")) " KiB", "-",
		pages <= 64 && worst("P5", who, cpus, "pending") == 0 ? \
		"reached" : "short")
}

# What plain free() leaves is the allocator's habit, not the library's.
function burst_row(size, who,	left, floor, burst) {
	if (!has("P14-" size, who, cpus, "settled_mb")) {
		missing("P14", who, "-")
		return
	}
	left = med("P14-" size, who, cpus, "settled_mb")
	burst = med("P14-" size, who, cpus, "burst_mb")
	floor = med("P14-" size, "none", cpus, "settled_mb")
	line("P14", who ", RSS left of a burst of " num(burst) " MB, " size \
		" bytes each (plain free: " num(floor) ", call_rcu: " \
		num(med("P14-" size, "call_rcu", cpus, "settled_mb")) " MB)",
		"≤ plain free's + 5 %", num(left) " MB", num(left / burst),
		left <= floor + burst * 0.05 ? "reached" : "short")
	left = med("P14-" size, who, cpus, "trimmed_mb")
	line("P14", "the same after malloc_trim(0)", "≤ 10 % of the burst",
		num(left) " MB", num(left / burst),
		left <= burst * 0.1 ? "reached" : "short")
}

# The plainest loop there is should have a CPU to itself.
function busy_note(	share) {
	share = med("T", "none", 1, "ns_per_op")
	if (!share)
		return
	share = 100 * med("T", "none", 1, "updater_cpu_ns_per_op") / share
	if (share < 85)
		print "\n**The machine was busy**: a loop of malloc and free got " \
			num(share) " % of a CPU. Ratios of wall times are " \
			"disturbed; the tables below have CPU times."
}

function detail_table(title, label, n, metrics,	list, k, i, key, parts, seen, m, nm) {
	print "\n### " title "\n"
	nm = split(metrics, m, " ")
	printf "| reclaimer |"
	for (i = 1; i <= nm; i++)
		printf " %s |", m[i]
	printf "\n|---|"
	for (i = 1; i <= nm; i++)
		printf "---|"
	print ""
	list = "none lock kvfree kvfree-kvmalloc kvfree-raw kvfree-channel " \
		"defer_rcu defer_rcu-keep call_rcu call_rcu-keep ck_epoch " \
		"ck_epoch-keep sync"
	k = split(list, parts, " ")
	for (key = 1; key <= k; key++) {
		seen = 0
		for (i = 1; i <= nm; i++)
			seen += has(label, parts[key], n, m[i])
		if (!seen)
			continue
		printf "| %s |", parts[key]
		for (i = 1; i <= nm; i++)
			printf " %s |", has(label, parts[key], n, m[i]) ? \
				num(med(label, parts[key], n, m[i])) : "-"
		print ""
	}
}

function throughput_data(	file, who, nw, nc, c, i, j, x) {
	file = plots "/throughput.dat"
	nw = split("none kvfree kvfree-raw defer_rcu call_rcu ck_epoch", who, " ")
	nc = split("1 2 4 8 16 32 64 " cpus, c, " ")
	printf "threads" > file
	for (i = 1; i <= nw; i++)
		printf " %s", who[i] > file
	print "" > file
	for (j = 1; j <= nc; j++) {
		if (!has("T", "kvfree", c[j], "mops") || (j == nc && c[j] in done))
			continue
		done[c[j]] = 1
		printf "%d", c[j] > file
		for (i = 1; i <= nw; i++) {
			x = med("T", who[i], c[j], "mops")
			printf " %s", x ? x : "NaN" > file
		}
		print "" > file
	}
	close(file)
}

function summary(	i, n, ids, text) {
	n = split("E1 E2 E2b E3 E4 E5 E6 E7 E8 E9 E10 E11 E12 K8 P3 P4 P5 P14",
		ids, " ")
	print "\n## Summary\n"
	for (i = 1; i <= n; i++) {
		if (ids[i] in shorts)
			text = "**short**"
		else if (ids[i] in other)
			text = (ids[i] in reached) ? \
				"reached as far as it can be measured here" : \
				"not measured"
		else
			text = "reached"
		print "- " ids[i] ": " text
	}
	print "\nWhy rows fall short, and what was tried: doc/performance.md."
}

END {
	print "Medians of all rounds unless the row says otherwise. Times per object"
	print "end when everything is freed, barrier included; updaters are"
	print "registered as readers. Each run is a process of its own; within a row the"
	print "reclaimers take turns."
	busy_note()
	head("Targets")
	call_rows()
	clean_rows("E2", "kvfree", 1, 4)
	clean_rows("E2b", "kvfree-kvmalloc", 1, 4)
	clean_rows("E3", "kvfree", cpus, 5)
	faster("E4", "kvfree-raw, the worker frees, against call_rcu",
		med("T", "kvfree-raw", 1, "ns_per_op"),
		med("T", "call_rcu", 1, "ns_per_op"), 2, "ns")
	latency_rows()
	stall_rows()
	memory_rows()
	supply_rows()
	idle_rows()
	scale_rows("kvfree")
	scale_rows("kvfree-raw")
	head("Lessons")
	lesson_rows()
	summary()
	print "\n## Figures behind the rows"
	detail_table("One call (E1), ns", "E1", 1,
		"call_ns call_mean_ns call_best_ns batches")
	detail_table("One updater (E2, E2b, E4)", "T", 1,
		"ns_per_op loop_ns_per_op updater_cpu_ns_per_op cpu_ns_per_op owner_freed_pct emergency_ppm peak_mb")
	if (cpus > 1)
		detail_table("One updater per CPU (E3)", "T", cpus,
			"ns_per_op loop_ns_per_op updater_cpu_ns_per_op cpu_ns_per_op owner_freed_pct emergency_ppm peak_mb")
	detail_table("64 updaters (E12)", "T", 64,
		"mops updater_cpu_ns_per_op cpu_ns_per_op owner_freed_pct emergency_ppm peak_mb")
	detail_table("Latency with a reader of 1 ms (E5), ns", "E5", 1,
		"p50_ns p99_ns p999_ns p9999_ns p99999_ns max_ns preempted_calls all_p9999_ns all_max_ns")
	detail_table("Allocator not hanging (E6), ns", "E6n", 1,
		"p50_ns p99_ns p9999_ns max_ns preempted_calls")
	detail_table("Allocator hangs for 1 s (E6), ns", "E6s", 1,
		"p50_ns p99_ns p9999_ns max_ns preempted_calls stalled_allocator_calls")
	detail_table("Flood with readers of 100 µs (E7)", "E7", cpus,
		"peak_mb half1_mb half2_mb mops over_rss")
	detail_table("Steady 1 M/s (E8, P4)", "E8", 1,
		"emergency_ppm pages pages_warmup pages_allocated cached_pages refills drains process_cpu_pct")
	detail_table("Barrier (E9), µs", "E9", cpus, "barrier_us barrier_p99_us")
	detail_table("Idle (E10)", "E10", cpus,
		"wakeups_per_s threads pending cached_pages rss_mb")
	detail_table("1,000 threads (E11), KiB each", "E11", 1000,
		"registered_kb worked_kb idle_kb trimmed_kb cached_pages pages")
	detail_table("Trickle (K8)", "K8", 1,
		"records_per_drain drains pages_allocated pages")
	detail_table("mb flavor", "F-mb", 1, "ns_per_op")
	detail_table("qsbr flavor", "F-qsbr", 1, "ns_per_op")
	detail_table("bp flavor", "F-bp", 1, "ns_per_op")
	detail_table("One call, mb flavor, ns", "F-call-mb", 1, "call_ns")
	detail_table("One call, qsbr flavor, ns", "F-call-qsbr", 1, "call_ns")
	detail_table("One call, bp flavor, ns", "F-call-bp", 1, "call_ns")
	throughput_data()
}
