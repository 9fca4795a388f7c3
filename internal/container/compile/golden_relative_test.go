package compile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A step more or less at the beginning of a plan changes the number of every later step, of every jump
// and of many cells. So that the golden files of two similar plans differ only where the plans do,
// plans are compared in a form without absolute numbers:
//
//	plan                                           golden file
//	  24  open /proc  openat2(…) = $target2           .  open /proc  openat2(…) = $target+
//	  25  go to /proc fchdir($target2); …step 28      .  go to /proc fchdir($target); …step +3
//
// "$target+" is the next cell of this name, "$target" the last one so far, "$target-1" the one before it.
var (
	stepLine     = regexp.MustCompile(`^ *\d+  `)
	jump         = regexp.MustCompile(`go on with step (\d+)`)
	cell         = regexp.MustCompile(`\$([a-z]+)(\d*)`)
	relativeLine = "   .  "
	relativeJump = regexp.MustCompile(`go on with step ([+-]\d+)`)
	relativeCell = regexp.MustCompile(`\$([a-z]+)([+-]\d+|\+)?`)
)

// relative returns the lines of a plan without absolute numbers.
func relative(text string) []string {
	lines := strings.Split(text, "\n")
	step, last := 0, map[string]int{}
	for i, line := range lines {
		prefix := stepLine.FindString(line)
		if prefix != fmt.Sprintf("%4d  ", step) {
			continue
		}
		line = jump.ReplaceAllStringFunc(line[len(prefix):], func(found string) string {
			m := jump.FindStringSubmatch(found)
			to, _ := strconv.Atoi(m[1])
			return fmt.Sprintf("go on with step %+d", to-step)
		})
		lines[i] = relativeLine + cell.ReplaceAllStringFunc(line, func(found string) string {
			m := cell.FindStringSubmatch(found)
			number, err := strconv.Atoi(m[2])
			if err != nil {
				number = 1
			}
			difference := number - last[m[1]]
			switch difference {
			case 0:
				return "$" + m[1]
			case 1:
				last[m[1]] = number
				return "$" + m[1] + "+"
			}
			return fmt.Sprintf("$%s%+d", m[1], difference)
		})
		step++
	}
	return lines
}

// absolute is the inverse of relative.
func absolute(lines []string) string {
	out := make([]string, len(lines))
	step, last := 0, map[string]int{}
	for i, line := range lines {
		text, isStep := strings.CutPrefix(line, relativeLine)
		if !isStep {
			out[i] = line
			continue
		}
		text = relativeJump.ReplaceAllStringFunc(text, func(found string) string {
			m := relativeJump.FindStringSubmatch(found)
			difference, _ := strconv.Atoi(m[1])
			return fmt.Sprintf("go on with step %d", step+difference)
		})
		text = relativeCell.ReplaceAllStringFunc(text, func(found string) string {
			m := relativeCell.FindStringSubmatch(found)
			number := last[m[1]]
			if m[2] == "+" {
				number++
				last[m[1]] = number
			} else if difference, err := strconv.Atoi(m[2]); err == nil {
				number += difference
			}
			if number == 1 {
				return "$" + m[1]
			}
			return fmt.Sprint("$", m[1], number)
		})
		out[i] = fmt.Sprintf("%4d  ", step) + text
		step++
	}
	return strings.Join(out, "\n")
}

// TestRelativeIsReversible: the form without absolute numbers describes one plan only.
func TestRelativeIsReversible(t *testing.T) {
	for name, text := range goldenTexts(t) {
		if line, g, w := firstDifference(absolute(relative(text)), text); line > 0 {
			t.Errorf("%s: line %d comes back as\n%s\nwant\n%s", name, line, g, w)
		}
	}
}
