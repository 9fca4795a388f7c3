package explain

import (
	"cmp"
	"slices"
)

// A drawing is a document with coordinates. Columns run from left to right: the sources of a
// stage are to its left. The boxes of a column are ordered like their sources, so that few
// arrows cross. An arrow that passes through a column has a lane there.
type drawing struct {
	width, height int
	boxes         []box
	arrows        []arrow
	unneededY     int // the y coordinate of the unneeded stages; 0: there are none
}

// A box is a stage, or an image or context that was not built here.
type box struct {
	id         string
	stage      *Stage // nil: not built here
	name       string
	kind       string // "stage", "image" or "context"
	argv       string // for the target: the command of its image
	x, y, w, h int
	rank       int
}

// An arrow is an edge with its points: start, lanes, and end.
type arrow struct {
	edge Edge
	path []point
}

type point struct{ x, y int }

const (
	boxWidth   = 410
	smallWidth = 190
	smallRoom  = 40 // height of a box for something not built here
	headRoom   = 44 // the part of a stage's box above its instructions
	rowRoom    = 26
	footRoom   = 8
	argvRoom   = 26
	gap        = 80 // between columns
	space      = 24 // between boxes
	lane       = 10
	border     = 20
)

// A slot is a place in a column for a box or for the lane of an edge.
type slot struct {
	box   *box
	edge  string // for a lane: from and to
	y, h  int
	order float64
}

type layouter struct {
	d       *Document
	boxes   []*box
	byID    map[string]*box
	columns [][]*slot
	x, w    []int // per column
	place   map[string]*slot
}

// computeLayout computes all coordinates. The same document always gives the same drawing.
func computeLayout(d *Document) *drawing {
	l := &layouter{d: d, byID: map[string]*box{}, place: map[string]*slot{}}
	l.createBoxes()
	l.assignRanks()
	l.fillColumns()
	l.sortColumns()
	out := &drawing{}
	out.width, out.height = l.stackBoxes()
	l.placeUnneeded(out)
	for _, b := range l.boxes {
		out.boxes = append(out.boxes, *b)
	}
	for _, e := range d.Edges {
		out.arrows = append(out.arrows, arrow{e, l.routeEdge(e)})
	}
	return out
}

// createBoxes creates the boxes, without coordinates.
func (l *layouter) createBoxes() {
	add := func(b *box) {
		l.boxes = append(l.boxes, b)
		l.byID[b.id] = b
	}
	for i := range l.d.Stages {
		s := &l.d.Stages[i]
		b := &box{
			id: s.ID, stage: s, name: s.Name, kind: stageKind, w: boxWidth,
			h: headRoom + rowRoom*len(s.Instructions) + footRoom,
		}
		if s.Target && len(l.d.Start.Argv) > 0 {
			b.argv, b.h = formatList(l.d.Start.Argv), b.h+argvRoom
		}
		add(b)
	}
	for _, e := range l.d.Edges {
		if l.byID[e.From] == nil {
			add(&box{id: e.From, name: e.FromName, kind: e.FromKind, w: smallWidth, h: smallRoom})
		}
	}
}

// assignRanks assigns each box to a column. A stage goes one column to the right of its last source.
// An image or context that was not built here goes one column to the left of its first user.
func (l *layouter) assignRanks() {
	for range l.boxes { // the graph has no cycles, so this is enough iterations
		for _, e := range l.d.Edges {
			from, to := l.byID[e.From], l.byID[e.To]
			to.rank = max(to.rank, from.rank+1)
		}
	}
	for _, b := range l.boxes {
		if b.stage != nil {
			continue
		}
		b.rank = len(l.boxes)
		for _, e := range l.d.Edges {
			if e.From == b.id {
				b.rank = min(b.rank, l.byID[e.To].rank-1)
			}
		}
	}
}

func laneKey(e Edge, column int) string {
	return e.From + "\x00" + e.To + "\x00" + string(rune(column))
}

// fillColumns assigns boxes and lanes to columns.
func (l *layouter) fillColumns() {
	put := func(column int, key string, s *slot) {
		for len(l.columns) <= column {
			l.columns = append(l.columns, nil)
		}
		l.columns[column] = append(l.columns[column], s)
		l.place[key] = s
	}
	for _, b := range l.boxes {
		if b.stage == nil || b.stage.Needed {
			put(b.rank, b.id, &slot{box: b, h: b.h})
		}
	}
	for _, e := range l.d.Edges {
		for c := l.byID[e.From].rank + 1; c < l.byID[e.To].rank; c++ {
			if k := laneKey(e, c); l.place[k] == nil {
				put(c, k, &slot{edge: k, h: lane})
			}
		}
	}
}

// sortColumns orders each column by the average position of its slots' sources.
func (l *layouter) sortColumns() {
	for c, column := range l.columns {
		sums, counts := map[*slot]float64{}, map[*slot]int{}
		for _, e := range l.d.Edges {
			from, to := l.byID[e.From].rank, l.byID[e.To].rank
			if c <= from || c > to {
				continue
			}
			s := l.slotAt(e, c)
			sums[s] += float64(slices.Index(l.columns[c-1], l.slotAt(e, c-1)))
			counts[s]++
		}
		for i, s := range column {
			switch s.order = float64(i); {
			case counts[s] > 0:
				s.order = sums[s] / float64(counts[s])
			case s.box != nil && s.box.stage == nil: // FROM is the first row of the stage that it leads to
				s.order = -1
			}
		}
		slices.SortStableFunc(column, func(a, b *slot) int { return cmp.Compare(a.order, b.order) })
	}
}

// slotAt returns the slot where an edge starts, ends or passes in a column.
func (l *layouter) slotAt(e Edge, column int) *slot {
	switch column {
	case l.byID[e.From].rank:
		return l.place[e.From]
	case l.byID[e.To].rank:
		return l.place[e.To]
	}
	return l.place[laneKey(e, column)]
}

// stackBoxes sets the coordinates of the slots, and returns the total size.
func (l *layouter) stackBoxes() (width, height int) {
	x := border
	for _, column := range l.columns {
		w, y := 0, border
		for _, s := range column {
			s.y = y
			y += s.h + space
			if s.box != nil {
				s.box.y = s.y
				w = max(w, s.box.w)
			}
		}
		for _, s := range column {
			if s.box != nil && s.box.stage == nil { // level with the box that takes from it
				s.box.x = x + w - s.box.w
			} else if s.box != nil {
				s.box.x = x
			}
		}
		l.x, l.w = append(l.x, x), append(l.w, w)
		x += w + gap
		height = max(height, y-space)
	}
	return max(x-gap, border+boxWidth) + border, height + border
}

// placeUnneeded places the stages that are not needed below all others, in rows.
func (l *layouter) placeUnneeded(d *drawing) {
	x, y, highest := border, d.height+2*space, 0
	for _, b := range l.boxes {
		if b.stage == nil || b.stage.Needed {
			continue
		}
		d.unneededY = cmp.Or(d.unneededY, d.height+space)
		if x > border && x+b.w > d.width-border {
			x, y, highest = border, y+highest+space, 0
		}
		b.x, b.y = x, y
		x += b.w + space
		highest = max(highest, b.h)
		d.height = max(d.height, y+b.h+border)
	}
}

// routeEdge returns the points of an edge: from the last instruction of its source, along its
// lanes, to the instruction that takes from it.
func (l *layouter) routeEdge(e Edge) []point {
	from, to := l.byID[e.From], l.byID[e.To]
	y := from.y + from.h/2
	if from.stage != nil {
		y = from.rowY(len(from.stage.Instructions)-1) + rowRoom/2
	}
	out := []point{{from.x + from.w, y}, {l.x[from.rank] + l.w[from.rank], y}}
	for c := from.rank + 1; c < to.rank; c++ {
		y := l.place[laneKey(e, c)].y + lane/2
		out = append(out, point{l.x[c], y}, point{l.x[c] + l.w[c], y})
	}
	row := slices.IndexFunc(to.stage.Instructions, func(i Instruction) bool { return i.ID == e.Node })
	return append(out, point{to.x, to.rowY(row) + rowRoom/2})
}

// rowY is the y coordinate of an instruction of a stage.
func (b *box) rowY(i int) int { return b.y + headRoom + i*rowRoom }
