package plan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// roundTrip encodes p, decodes it, and fails if anything that the loop sees has changed.
func roundTrip(t *testing.T, p *Plan) {
	t.Helper()
	image, err := p.Encode()
	if err != nil {
		t.Fatalf("Encode of a valid plan: %v", err)
	}
	back, err := decode(image)
	if err != nil {
		t.Fatalf("decode of an encoded plan: %v", err)
	}
	if want := seen(p); !reflect.DeepEqual(back, want) {
		t.Fatalf("decoded:\n%+v\nwant:\n%+v", back, want)
	}
	again, err := back.Encode()
	if err != nil || !bytes.Equal(again, image) {
		t.Fatalf("the decoded plan encodes to other bytes, %v", err)
	}
	if err := p.Text(io.Discard); err != nil {
		t.Fatal(err)
	}
}

func TestRandomPlansRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	calls, kinds, branches := map[Call]bool{}, map[ArgKind]bool{}, map[int]bool{}
	forward, backward := false, false
	for range 500 {
		b := make([]byte, 8192)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		p := (&tape{b}).plan()
		roundTrip(t, p)
		for i, s := range p.Steps {
			calls[s.Call] = true
			branches[len(s.On)] = true
			for _, a := range s.Args {
				kinds[a.Kind] = true
			}
			for _, on := range s.On {
				forward, backward = forward || on.To > i, backward || on.To <= i
			}
		}
	}
	if len(calls) != len(callNumbers) || len(kinds) != 3 || len(branches) != MaxBranches+1 || !forward || !backward {
		t.Fatalf("the plans had %d of %d calls, %d of 3 kinds of argument, %d of %d numbers of branches, "+
			"jumps forward %v, backward %v",
			len(calls), len(callNumbers), len(kinds), len(branches), MaxBranches+1, forward, backward)
	}
}

// FuzzEncode: every valid plan is unchanged after encoding and decoding.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0, 3, 0, 200, 1, 7}, 500))
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, (&tape{b}).plan()) })
}

// FuzzDecode: any bytes are either refused, or decode to a plan that encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for _, seed := range []string{"", strings.Repeat("\x00\x03\x00\xc8\x01\x07", 500),
		strings.Repeat("\x05\x00\x01", 900)} {
		image, err := (&tape{[]byte(seed)}).plan().Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		p, err := decode(image)
		if err != nil {
			if p != nil {
				t.Fatalf("a plan and an error: %v", err)
			}
			return
		}
		again, err := p.Encode()
		if err != nil || !bytes.Equal(again, image) {
			t.Fatalf("encodes to other bytes, %v", err)
		}
		if err := p.Text(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}

// TestEncodedStepLayout pins the bytes that the loops read: a mistake that Encode and Decode have in common
// would not show in a round trip.
func TestEncodedStepLayout(t *testing.T) {
	p := &Plan{Data: make([]byte, headerSize+8), Steps: []Step{
		{Call: Getppid, Out: headerSize, Next: 1, Zero: 2},
		{
			Call: Mount, Args: []Arg{Int(0x1111), {Pointer, DataBase + headerSize}, Of(headerSize), Int(-1)},
			Out: None, Next: 2, Zero: 0,
			On: []Branch{{unix.EBUSY, 0}, {unix.Errno(0xabc), 2}},
		},
		{Call: ExitGroup, Out: None, Next: 3, Zero: 3},
	}}
	p.Data[headerSync] = 9
	image, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	number := func(c Call) string {
		return fmt.Sprintf("%x", binary.LittleEndian.AppendUint32(nil, c.Number()))
	}
	none, zero8 := "2000800000000000", "0000000000000000"
	// 0x800048 is the table; each step takes 0x70 bytes: 0x8000b8, 0x800128, 0x800198.
	want := "4800800000000000" + "0900000000000000" + zero8 + zero8 + zero8 + zero8 + zero8 + zero8 + // header
		zero8 + // the cell
		number(Getppid) + "00000000" + strings.Repeat(zero8, 6) + "4000800000000000" +
		"b8008000" + "28018000" + strings.Repeat(zero8, 4) + "00000000" + "00000000" +
		number(Mount) + "04000000" + "1111000000000000" + "4000800000000000" + "4000800000000000" +
		"ffffffffffffffff" + zero8 + zero8 + none +
		"28018000" + "48008000" + "10000000" + "48008000" + "bc0a0000" + "28018000" + zero8 + zero8 + "01000000" +
		"00000000" +
		number(ExitGroup) + "00000000" + strings.Repeat(zero8, 6) + none +
		"98018000" + "98018000" + strings.Repeat(zero8, 4) + "02000000" + "00000000"
	if got := fmt.Sprintf("%x", image); got != want {
		t.Fatalf("encoded:\n%s\nwant:\n%s", got, want)
	}
}

// TestEncodeRefusesInvalidPlan takes a valid plan and breaks one property at a time.
func TestEncodeRefusesInvalidPlan(t *testing.T) {
	good := func() *Plan {
		return &Plan{Data: make([]byte, headerSize+16), Steps: []Step{
			{Call: Getppid, Out: headerSize + 8, Next: 1, Zero: 1, Args: []Arg{Of(headerSize + 8),
				{Pointer, DataBase + headerSize}}, On: []Branch{{unix.ENOENT, 1}}},
			{Call: ExitGroup, Out: None, Next: 2, Zero: 2},
		}}
	}
	if _, err := good().Encode(); err != nil {
		t.Fatalf("the plan to be spoiled is refused: %v", err)
	}
	end := uint64(DataBase + headerSize + 16)
	for name, spoil := range map[string]func(p *Plan, s *Step){
		"no header":                    func(p *Plan, s *Step) { p.Data = p.Data[:headerSize-8] },
		"data not in words":            func(p *Plan, s *Step) { p.Data = p.Data[:headerSize+12] },
		"no steps":                     func(p *Plan, s *Step) { p.Steps = nil },
		"too large":                    func(p *Plan, s *Step) { p.Data = make([]byte, MaxImage-StepSize) },
		"unknown call":                 func(p *Plan, s *Step) { s.Call = Call(len(callNumbers)) },
		"unknown group":                func(p *Plan, s *Step) { s.Group = Sync + 1 },
		"seven arguments":              func(p *Plan, s *Step) { s.Args = make([]Arg, 7) },
		"unknown kind":                 func(p *Plan, s *Step) { s.Args[0].Kind = Result + 1 },
		"pointer before the data":      func(p *Plan, s *Step) { s.Args[1].Value = DataBase - 1 },
		"pointer behind the data":      func(p *Plan, s *Step) { s.Args[1].Value = end },
		"null pointer":                 func(p *Plan, s *Step) { s.Args[1].Value = 0 },
		"result before the data":       func(p *Plan, s *Step) { s.Args[0].Value = DataBase - 8 },
		"result behind the data":       func(p *Plan, s *Step) { s.Args[0].Value = end },
		"result that is no whole cell": func(p *Plan, s *Step) { s.Args[0].Value++ },
		"out over the table's address": func(p *Plan, s *Step) { s.Out = headerTable },
		"out over the report":          func(p *Plan, s *Step) { s.Out = headerReport },
		"out behind the data":          func(p *Plan, s *Step) { s.Out = headerSize + 16 },
		"out that is no whole cell":    func(p *Plan, s *Step) { s.Out = headerSize + 4 },
		"five errnos": func(p *Plan, s *Step) {
			s.On = []Branch{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}}
		},
		"errno 0":                func(p *Plan, s *Step) { s.On[0].Errno = 0 },
		"errno 4096":             func(p *Plan, s *Step) { s.On[0].Errno = 4096 },
		"an errno twice":         func(p *Plan, s *Step) { s.On = append(s.On, s.On[0]) },
		"errno to before":        func(p *Plan, s *Step) { s.On[0].To = -1 },
		"errno to behind":        func(p *Plan, s *Step) { s.On[0].To = 2 },
		"next to before":         func(p *Plan, s *Step) { s.Next = -1 },
		"next to behind":         func(p *Plan, s *Step) { s.Next = 2 },
		"zero to before":         func(p *Plan, s *Step) { s.Zero = -1 },
		"zero to behind":         func(p *Plan, s *Step) { s.Zero = 2 },
		"last step comes back":   func(p *Plan, s *Step) { p.Steps = p.Steps[:1] },
		"last step far behind":   func(p *Plan, s *Step) { p.Steps[1].Next = 3 },
		"last zero far behind":   func(p *Plan, s *Step) { p.Steps[1].Zero = 3 },
		"the Builder's complain": func(p *Plan, s *Step) { p.bad = unix.EINVAL },
	} {
		p := good()
		spoil(p, &p.Steps[0])
		if _, err := p.Encode(); err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.HasPrefix(err.Error(), "plan: ") && err != unix.EINVAL {
			t.Errorf("%s: the error does not say that it is the plan's: %v", name, err)
		}
	}
}

// TestDecodeRefuses modifies an image in ways that Encode would never produce.
func TestDecodeRefuses(t *testing.T) {
	const table = headerSize
	good := func() []byte {
		p := &Plan{Data: make([]byte, headerSize), Steps: []Step{
			{Call: Getppid, Out: None, Next: 1, Zero: 1, On: []Branch{{unix.ENOENT, 1}}},
			{Call: ExitGroup, Out: None, Next: 2, Zero: 2},
		}}
		image, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	if _, err := decode(good()); err != nil {
		t.Fatal(err)
	}
	put := func(off int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[off:], v); return b }
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":                   func([]byte) []byte { return nil },
		"half a header":           func(b []byte) []byte { return b[:headerSize-1] },
		"header only":             func(b []byte) []byte { return b[:headerSize] },
		"half a step":             func(b []byte) []byte { return b[:len(b)-8] },
		"table before the data":   put(headerTable, DataBase-8),
		"table in the header":     put(headerTable, DataBase+56),
		"table behind the image":  put(headerTable, DataBase+4096),
		"table above 4 GiB":       put(headerTable+4, 1),
		"unknown number":          put(table+offNumber, 0xffff),
		"seventh indirect":        put(table+offIndirect, 1<<6),
		"result before the data":  put(table+offOut, DataBase-8),
		"result above 4 GiB":      put(table+offOut+4, 1),
		"next between steps":      put(table+offNext, DataBase+table+8),
		"next before the table":   put(table+offNext, DataBase),
		"zero between steps":      put(table+offZero, DataBase+table+8),
		"errno above the largest": put(table+offOn, 4096),
		"branch between steps":    put(table+offOn+4, DataBase+table+8),
		"a gap in the branches":   put(table+offOn+16, uint32(unix.EPERM)),
		"address without errno":   put(table+offOn+12, DataBase+table),
		"another index":           put(table+offIndex, 1),
		"padding":                 put(table+offIndex+4, 1),
	} {
		if p, err := decode(spoil(good())); err == nil || p != nil {
			t.Errorf("%s: accepted, or a plan with an error: %v", name, err)
		}
	}
}
