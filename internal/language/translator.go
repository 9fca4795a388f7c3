package language

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minirun/minirun/internal/helper/location"
)

// Program is the name of the program that translates. It reads texts that end with a zero byte, and answers
// each of them in the same way.
const Program = "minirun-translate"

// patience is how long a translation may take. The text stays English if it takes longer.
const patience = 2 * time.Second

// Text returns a text in the current language. It stays English if it has no translation, or if the program
// that translates is not installed or fails.
func Text(text string) string {
	if text == "" || Current() == English || strings.Contains(text, "\x00") {
		return text
	}
	return translator.translate(text)
}

// translator is the running program.
var translator process

type process struct {
	mutex   sync.Mutex
	started bool
	in      *os.File // nil if it cannot be used
	out     *os.File
	answers *bufio.Reader
}

func (p *process) translate(text string) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.started {
		p.started = true
		p.start()
	}
	if p.in == nil {
		return text
	}
	answer, err := p.ask(text)
	if err != nil {
		p.stop()
		return text
	}
	return strings.TrimSuffix(answer, "\x00")
}

func (p *process) ask(text string) (string, error) {
	deadline := time.Now().Add(patience)
	if err := p.in.SetWriteDeadline(deadline); err != nil {
		return "", err
	}
	if err := p.out.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(p.in, text+"\x00"); err != nil {
		return "", err
	}
	return p.answers.ReadString(0)
}

// start starts the program. It exits when this one has, because its input ends.
func (p *process) start() {
	path, _, err := location.Find(Program, "/usr/libexec/minirun/"+Program)
	if err != nil || path == "" {
		return
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return
	}
	defer theirOut.Close()
	child, err := os.StartProcess(path, []string{Program, Current()}, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{theirIn, theirOut, nil},
	})
	if err != nil {
		in.Close()
		out.Close()
		return
	}
	_ = child.Release()
	p.in, p.out, p.answers = in, out, bufio.NewReader(out)
}

func (p *process) stop() {
	p.in.Close()
	p.out.Close()
	p.in = nil
}
