// tree.go lays out the program:
//
//	A = arch
//	native?  ──▶ A = number, binary search ──▶ verdicts, argument checks
//	second?  ──▶ A = number, binary search ──▶ …
//	otherwise kill
//
// The search tests only "number >= k" and "number == k". When a filter is loaded, the
// kernel runs it once over all numbers, to find those that are allowed whatever their
// arguments, and does not run the filter for these again; its emulation understands
// these instructions but not, for example, shifts for a bitmap (kernel/seccomp.c,
// seccomp_is_const_allow).

package seccomp

import (
	"cmp"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h).
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// killCall is libseccomp's verdict for a call of an architecture that the profile does
// not list: its number has a different meaning from the one in the rules.
var killCall = outcome{ret: unix.SECCOMP_RET_KILL_THREAD}

type layout struct {
	assembler
	defaultRet uint32
	checks     map[uint64][]placedCheck // argument checks already written, by fingerprint: reused for equal ones
}

func assemble(tables []table, defaultRet uint32) []unix.SockFilter {
	l := &layout{defaultRet: defaultRet, checks: map[uint64][]placedCheck{}}
	next := l.ret(killCall.ret)
	// In reverse, like the program: the native architecture is first and needs no
	// stepping stone.
	for i := len(tables) - 1; i >= 0; i-- {
		audit := tables[i].arch.audit
		if slices.ContainsFunc(tables[:i], func(t table) bool { return t.arch.audit == audit }) {
			continue // x86_64 and x32 share one search
		}
		search := l.load(offNumber, l.search(boundaries(tables, audit, defaultRet)))
		next = l.branch(opJEQ, audit, search, next)
	}
	l.load(offArch, next)
	return l.program()
}

// boundary begins a range of numbers that ends before the next boundary.
type boundary struct {
	first uint32
	to    outcome
}

// boundaries covers all numbers of one value of seccomp_data.arch, including the gaps
// between the spans.
func boundaries(tables []table, audit uint32, defaultRet uint32) []boundary {
	list := []boundary{{0, outcome{ret: defaultRet}}}
	for _, s := range spansOf(tables, audit) {
		if end := &list[len(list)-1]; end.first == s.first {
			end.to = s.to
		} else {
			list = append(list, boundary{s.first, s.to})
		}
		if s.last < math.MaxUint32 {
			list = append(list, boundary{s.last + 1, outcome{ret: defaultRet}})
		}
	}
	return slices.CompactFunc(list, func(x, y boundary) bool { return x.to == y.to })
}

// spansOf returns the spans of one value of seccomp_data.arch, sorted. x86_64 and x32
// share a value: if the profile has only one, the other's numbers are killed.
func spansOf(tables []table, audit uint32) []span {
	var spans []span
	var has64, hasX32 bool
	for i := range tables {
		if t := &tables[i]; t.arch.audit == audit {
			spans = append(spans, t.spans...)
			has64 = has64 || t.arch.name == specs.ArchX86_64
			hasX32 = hasX32 || t.arch.name == specs.ArchX32
		}
	}
	if has64 && !hasX32 {
		// -1 is not a call of x32: a tracer sets it to skip a call.
		spans = append(spans, span{x32Bit, math.MaxUint32 - 1, killCall})
	}
	if hasX32 && !has64 {
		spans = append(spans, span{0, x32Bit - 1, killCall})
	}
	if hasX32 {
		slices.SortFunc(spans, func(x, y span) int { return cmp.Compare(x.first, y.first) })
	}
	return spans
}

// search writes the binary search over boundaries, for a number in A.
func (l *layout) search(list []boundary) label {
	switch {
	case len(list) == 1:
		return l.outcome(list[0].to)
	case len(list) == 3 && list[0].to == list[2].to && list[1].first+1 == list[2].first:
		// A single number that differs: one test instead of two.
		no, yes := l.outcome(list[0].to), l.outcome(list[1].to)
		return l.branch(opJEQ, list[1].first, yes, no)
	}
	mid := len(list) / 2
	above := l.search(list[mid:])
	below := l.search(list[:mid])
	return l.branch(opJGE, list[mid].first, above, below)
}

// outcome writes the end of a search, unless it exists already.
func (l *layout) outcome(to outcome) label {
	if to.check == nil {
		return l.ret(to.ret)
	}
	print := to.check.fingerprint()
	for _, placed := range l.checks[print] {
		if placed.check.equals(to.check) {
			return placed.at
		}
	}
	at := l.check(to.check)
	l.checks[print] = append(l.checks[print], placedCheck{to.check, at})
	return at
}

type placedCheck struct {
	check *check
	at    label
}

// fingerprint returns the same number for equal checks (FNV-1a).
func (c *check) fingerprint() uint64 {
	h := uint64(14695981039346656037)
	for _, clause := range c.clauses {
		h = (h ^ uint64(clause.ret)) * 1099511628211
		for _, cond := range clause.conds {
			for _, word := range [...]uint64{uint64(cond.arg)<<8 | uint64(cond.op), cond.value, cond.mask} {
				h = (h ^ word) * 1099511628211
			}
		}
	}
	return h
}

func (c *check) equals(d *check) bool {
	return c.arch.wide == d.arch.wide && c.arch.isLittleEndian() == d.arch.isLittleEndian() &&
		slices.EqualFunc(c.clauses, d.clauses, func(x, y clause) bool {
			return x.ret == y.ret && slices.Equal(x.conds, y.conds)
		})
}
