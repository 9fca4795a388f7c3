package logfile

import (
	"bytes"
	"errors"
	"io"
)

// seekTail moves the parts to the last n lines before until ("" for no limit), and returns the parts
// that have them. complete is false if there are fewer lines.
func seekTail(parts []*part, n int, until string) (rest []*part, complete bool, err error) {
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		if n == 0 && i == len(parts)-1 { // only what follows
			end, err := p.completeEnd()
			p.offset = end
			return parts[i:], true, err
		}
		err := p.backwards(func(line []byte, start int64) bool {
			e, ok := parse(line)
			if ok && !e.continued && (until == "" || e.stamp <= until) {
				n--
			}
			p.offset = start
			return n > 0
		})
		if err != nil {
			return nil, false, err
		}
		if n == 0 {
			return parts[i:], true, nil
		}
		p.offset = 0
	}
	return parts, false, nil
}

// completeEnd returns the end of the last complete entry.
func (p *part) completeEnd() (int64, error) {
	info, err := p.Stat()
	if err != nil {
		return 0, err
	}
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(blockSize))
		block, err := p.read(start, end)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(block, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// read reads a range of the file.
func (p *part) read(start, end int64) ([]byte, error) {
	block := make([]byte, end-start)
	n, err := p.ReadAt(block, start)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return block[:n], err
}

// backwards calls visit with each complete entry and its offset, the last one first, while visit
// returns true. It keeps one block in memory.
func (p *part) backwards(visit func(line []byte, start int64) bool) error {
	end, err := p.completeEnd()
	if err != nil {
		return err
	}
	for size := int64(blockSize); end > 0; {
		start := max(0, end-size)
		block, err := p.read(start, end)
		if err != nil {
			return err
		}
		cut := len(block)
		for cut > 0 {
			newline := bytes.LastIndexByte(block[:cut-1], '\n')
			if newline < 0 && start > 0 { // the entry begins before the block
				break
			}
			if !visit(block[newline+1:cut-1], start+int64(newline)+1) {
				return nil
			}
			cut = newline + 1
		}
		switch {
		case cut == len(block) && size >= longestEntry: // not a log
			return nil
		case cut == len(block):
			size *= 2
		default:
			end = start + int64(cut)
		}
	}
	return nil
}
