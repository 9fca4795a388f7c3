// args.go compiles the checks of arguments.
//
// BPF compares 32 bits at a time, so a condition on a 64-bit argument becomes a few
// steps on its halves, each with a next step for yes and for no. Rules about one call
// often begin with the same steps (most values have a zero upper half), so the
// compiler keeps track of which word is loaded and what is known about the upper half
// tested last: a list of n values takes n+3 instructions, not 4n.

package seccomp

// step tests one half of an argument.
type step struct {
	word     uint8  // 0 to 11: twice the argument, plus 1 for the upper half
	mask     uint32 // if not 0, only these bits are compared (opJEQ only)
	op       uint16 // opJEQ, opJGT, opJGE, opJSET
	k        uint32
	yes, no  int  // the next step of the clause, or match, or fail
	knowable bool // the answer is worth remembering
}

// Targets of a step that are not another step.
const (
	match = -1 // all conditions hold
	fail  = -2 // one does not: continue with the next clause
)

// steps lists the steps of a clause.
func steps(c clause, wide bool) []step {
	var list []step
	for i, cond := range c.conds {
		hold := match
		begin := len(list)
		list = append(list, cond.steps(wide)...)
		if i < len(c.conds)-1 {
			hold = len(list)
		}
		for j := begin; j < len(list); j++ {
			list[j].yes = resolveStep(list[j].yes, begin, hold)
			list[j].no = resolveStep(list[j].no, begin, hold)
		}
	}
	return list
}

// resolveStep converts a target within a condition to one within its clause.
func resolveStep(target, begin, hold int) int {
	switch {
	case target == match:
		return hold
	case target >= 0:
		return begin + target
	}
	return target
}

// steps returns the steps of one condition, at least one.
func (c cond) steps(wide bool) []step {
	lo, hi := c.arg*2, c.arg*2+1
	vlo, vhi := uint32(c.value), uint32(c.value>>32)
	if c.op == maskedEqual {
		low := maskedStep(lo, uint32(c.mask), vlo)
		if !wide || c.mask>>32 == 0 {
			return []step{low}
		}
		high := maskedStep(hi, uint32(c.mask>>32), vhi)
		if uint32(c.mask) == 0 {
			return []step{high}
		}
		if high.yes == match { // the opposite for opJSET
			high.yes = 1
		} else {
			high.no = 1
		}
		return []step{high, low}
	}
	// An order relation is tested as > or >=, with yes and no exchanged for <= and <.
	op, yes, no := uint16(opJEQ), match, fail
	switch c.op {
	case notEqual:
		yes, no = fail, match
	case greater:
		op = opJGT
	case greaterEqual:
		op = opJGE
	case lessEqual:
		op, yes, no = opJGT, fail, match
	case less:
		op, yes, no = opJGE, fail, match
	}
	low := step{word: lo, op: op, k: vlo, yes: yes, no: no}
	if !wide {
		return []step{low}
	}
	high := step{word: hi, op: opJEQ, k: vhi, yes: 1, no: no, knowable: true}
	switch {
	case op == opJEQ:
		return []step{high, low}
	case vhi == 0: // any non-zero value is greater
		high.no = yes
		return []step{high, low}
	}
	high.yes = 2
	above := step{word: hi, op: opJGT, k: vhi, yes: yes, no: 1}
	return []step{above, high, low}
}

// masked tests whether the bits of mask in a word have the value v.
func maskedStep(word uint8, mask, v uint32) step {
	switch {
	case v == 0: // no bit is set
		return step{word: word, op: opJSET, k: mask, yes: fail, no: match}
	case mask == 1<<32-1:
		return step{word: word, op: opJEQ, k: v, yes: match, no: fail}
	case v == mask && mask&(mask-1) == 0: // the only bit is set
		return step{word: word, op: opJSET, k: mask, yes: match, no: fail}
	}
	return step{word: word, mask: mask, op: opJEQ, k: v, yes: match, no: fail}
}

// A node is a step with its successors, in all clauses. Nodes form an acyclic graph,
// which is then written to the program.
type node struct {
	step
	load    bool // the word is not yet in A
	yes, no *node
	ret     uint32 // the verdict, if yes is nil
	at      label  // 0 until written
}

// known is what a path through the steps has found out.
type known struct {
	loaded uint8 // the word in A, plus 1; 0 if A holds something else
	word   uint8 // the upper half asked last, plus 1; 0 if there is none
	k      uint32
	equal  bool // that word is k, or is not k
}

// place identifies a node: the step of the clause that it begins with, and what is
// known.
type place struct {
	clause, step int
	known        known
}

type graph struct {
	clauses    [][]step
	rets       []uint32
	defaultRet uint32
	nodes      map[place]*node
	verdicts   map[uint32]*node
	total      int  // number of steps in all clauses
	visits     int  // number of calls of node
	forget     bool // remember nothing
}

// More knowledge makes more nodes, as the same step is written once for each state of
// knowledge, and more visits, as a test whose result is known is skipped in each
// state: both can grow quadratically with the number of clauses. If either gets out of
// hand, every step is written once.
const (
	maxNodesPerStep  = 2
	maxVisitsPerStep = 64
)

// tooLarge reports whether the graph must be built again, without knowledge.
func (g *graph) tooLarge() bool {
	return !g.forget && (len(g.nodes) > maxNodesPerStep*g.total || g.visits > maxVisitsPerStep*g.total)
}

// check writes an argument check and returns its first label.
func (l *layout) check(c *check) label {
	return l.write(newGraph(c, l.defaultRet).begin(), c.arch)
}

func newGraph(c *check, defaultRet uint32) *graph {
	g := &graph{defaultRet: defaultRet}
	for _, clause := range c.clauses {
		g.clauses = append(g.clauses, steps(clause, c.arch.wide))
		g.rets = append(g.rets, clause.ret)
		g.total += len(g.clauses[len(g.clauses)-1])
	}
	return g
}

// begin builds the graph and returns its first node.
func (g *graph) begin() *node {
	for {
		g.nodes, g.verdicts, g.visits = map[place]*node{}, map[uint32]*node{}, 0
		start := g.node(place{})
		if !g.tooLarge() {
			return start
		}
		g.forget = true
	}
}

func (g *graph) verdict(ret uint32) *node {
	n := g.verdicts[ret]
	if n == nil {
		n = &node{ret: ret}
		g.verdicts[ret] = n
	}
	return n
}

// node returns the node for a place, with all its successors.
func (g *graph) node(p place) *node {
	g.visits++
	if p.clause == len(g.clauses) || g.tooLarge() {
		return g.verdict(g.defaultRet)
	}
	s := g.clauses[p.clause][p.step]
	if answer, ok := p.known.answer(s); ok {
		if answer {
			return g.follow(p, s.yes, p.known)
		}
		return g.follow(p, s.no, p.known)
	}
	if n := g.nodes[p]; n != nil {
		return n
	}
	n := &node{step: s, load: p.known.loaded != s.word+1}
	g.nodes[p] = n
	n.yes = g.follow(p, s.yes, g.learn(p.known, s, true))
	n.no = g.follow(p, s.no, g.learn(p.known, s, false))
	return n
}

// follow moves from a step of a clause to the target of an answer.
func (g *graph) follow(p place, target int, k known) *node {
	switch target {
	case match:
		return g.verdict(g.rets[p.clause])
	case fail:
		return g.node(place{p.clause + 1, 0, k})
	}
	return g.node(place{p.clause, target, k})
}

// answer returns the answer to a step, if it follows from what is known.
func (k known) answer(s step) (answer, ok bool) {
	if k.word != s.word+1 || s.mask != 0 {
		return false, false
	}
	switch {
	case k.equal && s.op == opJEQ:
		return k.k == s.k, true
	case k.equal && s.op == opJGT:
		return k.k > s.k, true
	case k.equal && s.op == opJSET:
		return k.k&s.k != 0, true
	case !k.equal && s.op == opJEQ && k.k == s.k:
		return false, true
	}
	return false, false
}

func (g *graph) learn(k known, s step, answer bool) known {
	if g.forget {
		return known{}
	}
	k.loaded = s.word + 1
	if s.mask != 0 {
		k.loaded = 0
	}
	if s.knowable {
		k.word, k.k, k.equal = s.word+1, s.k, answer
	}
	return k
}

// write writes a node to the program, after all its successors.
func (l *layout) write(n *node, a *arch) label {
	if n.at != 0 {
		return n.at
	}
	if n.yes == nil {
		n.at = l.ret(n.ret)
		return n.at
	}
	no := l.write(n.no, a)
	yes := l.write(n.yes, a)
	n.at = l.branch(n.op, n.k, yes, no)
	if n.mask != 0 {
		n.at = l.and(n.mask, n.at)
	}
	if n.load {
		n.at = l.load(a.offset(n.word), n.at)
	}
	return n.at
}

// offset returns the offset in struct seccomp_data of a half of an argument.
func (a *arch) offset(word uint8) uint32 {
	second := uint32(word & 1)
	if !a.isLittleEndian() {
		second ^= 1
	}
	return offArgs + uint32(word/2)*8 + second*4
}
