// table.go converts the rules, which use names, to one table per architecture, which
// uses numbers. It decides which rule applies if several name the same call.

package seccomp

import (
	"cmp"
	"slices"
)

// table maps the calls of one architecture to outcomes.
type table struct {
	arch *arch
	// spans are sorted and do not overlap. A number in none of them gets the
	// default verdict.
	spans []span
	// newest is the highest number that the profile covers, -1 if it covers none.
	// Rules that only repeat the default action are included: the author knew the
	// call.
	newest int64
}

// span is a range of numbers with one outcome.
type span struct {
	first, last uint32
	to          outcome
}

// outcome is a verdict, or a check of the arguments if check is not nil.
type outcome struct {
	ret   uint32 // SECCOMP_RET_*
	check *check
}

// check is an ordered list: the first clause whose conditions all hold determines the
// verdict; if there is none, it is the profile's default.
type check struct {
	arch    *arch
	clauses []clause
}

type clause struct {
	conds []cond
	ret   uint32
}

// call records that a rule covers a number.
type call struct {
	key  uint64 // the number, and in the lower bits the position in the profile
	rule *rule
	sub  uint32 // not 0: only if this is the first argument, see multiplexer
}

func (c *call) nr() uint32 { return uint32(c.key >> 32) }

// buildTables returns a table for each architecture of the profile, and the names that
// none of them knows.
func buildTables(p *profile) (tables []table, skipped []string) {
	tables = make([]table, len(p.archs))
	for i, a := range p.archs {
		tables[i] = table{arch: a, newest: -1}
	}
	names := 0
	for i := range p.rules {
		names += len(p.rules[i].names)
	}
	calls := make([][]call, len(p.archs))
	for i := range calls {
		calls[i] = make([]call, 0, names+names/8) // an eighth more for socketcall and ipc
	}
	id := 0
	for i := range p.rules {
		r := &p.rules[i]
		for _, name := range r.names {
			known := false
			if next := callID(name, id+1); next >= 0 {
				id = next
				for j := range tables {
					n := len(calls[j])
					calls[j] = tables[j].addRule(calls[j], r, name, id)
					known = known || len(calls[j]) > n
				}
			}
			if !known {
				skipped = append(skipped, name)
			}
		}
	}
	for i := range tables {
		tables[i].build(calls[i], p.defaultRet)
	}
	return tables, skipped
}

// cover appends the numbers that a rule about a name covers.
func (t *table) addRule(calls []call, r *rule, name string, id int) []call {
	add := func(nr int32, sub uint32) {
		calls = append(calls, call{uint64(nr)<<32 | uint64(len(calls)), r, sub})
		if !t.arch.isPrivate(uint32(nr)) {
			t.newest = max(t.newest, int64(nr))
		}
	}
	if nr := t.arch.calls[id]; nr >= 0 {
		add(nr, 0)
	}
	if t.arch.calls[idSocketcall] < 0 {
		return calls // no multiplexed calls on this architecture
	}
	if via, sub := multiplexer(name); sub != 0 {
		add(t.arch.calls[via], sub)
	}
	return calls
}

// build builds the spans.
func (t *table) build(calls []call, defaultRet uint32) {
	slices.SortFunc(calls, func(x, y call) int { return cmp.Compare(x.key, y.key) })
	t.spans = make([]span, 0, len(calls)+1) // one more for addENOSYS
	for len(calls) > 0 {
		n := 1
		for n < len(calls) && calls[n].nr() == calls[0].nr() {
			n++
		}
		if to, ok := chooseOutcome(t.arch, calls[:n], defaultRet); ok {
			nr := calls[0].nr()
			t.spans = append(t.spans, span{nr, nr, to})
		}
		calls = calls[n:]
	}
}

// decide combines the rules about one number, given in the order of the profile. ok is
// false if only the default verdict remains. libseccomp's order is kept:
//
//   - A rule with the default action is dropped, even if it has conditions.
//   - A rule without conditions overrides all rules with conditions, regardless
//     of position; if there are several, the first one wins.
//   - Rules with conditions are tried in the order of compareClauses, roughly the
//     most specific first, regardless of position.
func chooseOutcome(a *arch, calls []call, defaultRet uint32) (to outcome, ok bool) {
	var clauses []clause
	for i := range calls {
		r := calls[i].rule
		switch {
		case r.ret == defaultRet:
		case calls[i].sub != 0:
			for _, conds := range multiplexedConds(calls[i].sub, r.alternatives) {
				clauses = append(clauses, clause{conds, r.ret})
			}
		case r.alternatives == nil:
			return outcome{ret: r.ret}, true
		default:
			for _, conds := range r.alternatives {
				clauses = append(clauses, clause{conds, r.ret})
			}
		}
	}
	if len(clauses) == 0 {
		return outcome{}, false
	}
	return outcome{check: &check{a, sortClauses(clauses)}}, true
}

// multiplexedConds returns the conditions for a call made through socketcall or ipc. The first
// argument selects the call, so a condition on it is dropped; the others are kept, as
// in libseccomp, although the kernel gets a pointer to the arguments there (or, with
// ipc, other arguments): a filter cannot follow it. Profiles for which this matters
// forbid socketcall.
func multiplexedConds(sub uint32, alternatives [][]cond) [][]cond {
	which := cond{arg: 0, op: equal, value: uint64(sub)}
	if alternatives == nil {
		return [][]cond{{which}}
	}
	list := make([][]cond, len(alternatives))
	for i, conds := range alternatives {
		list[i] = []cond{which}
		for _, c := range conds {
			if c.arg != 0 {
				list[i] = append(list[i], c)
			}
		}
	}
	return list
}

// order drops the clauses that can never be reached, because an earlier one requires
// only some of their conditions, and sorts the others.
func sortClauses(clauses []clause) []clause {
	kept := clauses[:0:0]
	seen := make(map[condList]bool, len(clauses))
next:
	for _, c := range clauses {
		var l condList
		for i, cond := range c.conds {
			l.conds[i], l.n = cond, i+1
			if seen[l] {
				continue next
			}
		}
		seen[l] = true
		kept = append(kept, c)
	}
	slices.SortStableFunc(kept, compareClauses)
	return kept
}

// condList is a list of conditions that can be compared: at most one per argument.
type condList struct {
	n     int
	conds [6]cond
}

// compareClauses orders clauses condition by condition; one that is a prefix of
// another comes last.
func compareClauses(x, y clause) int {
	for i := range min(len(x.conds), len(y.conds)) {
		if c := compareConds(x.conds[i], y.conds[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(y.conds), len(x.conds))
}

// compareConds puts conditions on later arguments first, then (in)equality before
// order relations, then the narrower condition.
func compareConds(x, y cond) int {
	kind := func(c cond) int {
		switch c.op {
		case equal, notEqual:
			return 0
		case maskedEqual:
			return 1
		case less, lessEqual:
			return 2
		}
		return 3
	}
	value := cmp.Compare(y.value, x.value) // the larger first
	if kind(x) == 2 {
		value = -value
	}
	return cmp.Or(
		cmp.Compare(y.arg, x.arg),
		cmp.Compare(kind(x), kind(y)),
		cmp.Compare(y.mask, x.mask),
		value,
		cmp.Compare(x.op, y.op),
	)
}
